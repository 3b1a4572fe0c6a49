import type { ModelInput } from '../attention/inputRoles.js';
import type { FedAs, InputNote } from '../types.js';
import type { LoadedModel } from './load.js';

/** Names and forms of inputs that nothing need be said of. */
const USUAL =
  /^(input_ids|attention_mask|position_ids|token_type_ids|use_cache_branch|(num_)?logits_to_keep)$/;

/** What is unusual about a model's inputs; its masks have been evaluated. */
export function inputNotes({
  inputs,
  fixed,
  takesMask,
  graft,
}: Pick<LoadedModel, 'inputs' | 'fixed' | 'takesMask' | 'graft'>): InputNote[] {
  const input = fixed.input?.name ?? '';
  return [
    ...(fixed.batch === null ? [] : [{ code: 'fixed-batch' as const, input, size: fixed.batch }]),
    ...(fixed.length === null
      ? []
      : [{ code: 'fixed-length' as const, input, size: fixed.length }]),
    ...(graft ? [{ code: 'embedding' as const, input: graft.input.name, table: graft.table }] : []),
    ...inputs.flatMap((each) => {
      const as = fedAs(each);
      return as === null ? [] : [{ code: 'fed-as' as const, input: each.name, as }];
    }),
    ...(takesMask ? [] : [{ code: 'no-mask' as const }]),
  ];
}

/** What an input is fed, where its name or form does not say so. */
function fedAs({ name, role, shape, encoding }: ModelInput): FedAs | null {
  if (role === 'mask-4d')
    return encoding === 'additive'
      ? '4D mask, added'
      : encoding === 'keep'
        ? '4D mask, 1 kept'
        : '4D mask, 1 masked';
  if (role === 'mask' && encoding !== 'keep')
    return encoding === 'additive' ? 'mask, added' : 'mask, 1 masked';
  if (role === 'positions' && (shape.length === 1 || (shape.length === 2 && shape[0] === 1)))
    return 'positions counted from 0';
  if (role === 'unused') return 'zeros';
  if (USUAL.test(name)) return null;
  return role === 'ids'
    ? 'token ids'
    : role === 'mask'
      ? 'mask'
      : role === 'positions'
        ? 'positions'
        : null;
}
