import type { GraphBuilder } from '../onnx/builder.js';
import { isMicrosoftOp } from '../onnx/graph.js';
import { DataType, type NodeProto } from '../onnx/types.js';
import type { ImplementationName } from '../types.js';
import { attend } from './implementations/attend.js';
import type { AttentionInputs, Step } from './implementations/types.js';
import type { OwnStep } from './ownSteps.js';
import type { TracedSite } from './rebuild.js';
import { rounded } from './rounding.js';
import { DEFAULT_SETTINGS } from './settings.js';
import { buildElementProbe, buildLargest, buildRow, buildRowProbe } from './traceProbes.js';

export const QKV_ROLES = ['query', 'key', 'value'] as const;
export type QkvRole = (typeof QKV_ROLES)[number];

/** Graph outputs that carry one row of a tensor on the way through attention, float64 [T] or [D], and its largest finite magnitude. */
export interface StepOutputs {
  step: Step;
  row: string;
  largest: string;
  /** The node of the file that makes it, or that shows nothing of it; null where no node of the file does. */
  node: NodeProto | null;
}

/** Graph outputs that carry what one layer's attention did to one row. */
export interface SiteTrace {
  /** ROW_ROWS of the output: which row it is. */
  found: string;
  /** In order, from QKᵀ to the output of attention. */
  steps: StepOutputs[];
  /** The attention's own output where the steps are those of eager beside it, a fused kernel showing none; else null. */
  fused: StepOutputs | null;
  /** Whether the steps hold a row of valid tokens instead of the padded row. */
  unpadded: boolean;
  /** ELEMENT_ROWS of Q, K and V as they enter attention, and rounded to its precision. */
  inputs: Record<QkvRole, { given: string; rounded: string }>;
}

export interface StepTracing {
  name: ImplementationName;
  /** The file's own tensors, where it is they that run and they show; else null. */
  own: readonly (OwnStep & { node: NodeProto | null })[] | null;
  /** The file's attention node where it is that which runs; else null. */
  node: NodeProto | null;
  /** How many streams the file's own tensors are stacked of; the first is looked at. */
  stacked: number;
  /** bool [B,1,S,1]: the tokens whose rows are looked at first. */
  tokens: string;
}

/**
 * Adds the nodes that follow the first row of an attention output that is not finite back to QKᵀ. Of each
 * [B,H,S,T] tensor on the way only that row leaves the graph.
 */
export function traceSteps(
  builder: GraphBuilder,
  { inputs, output }: TracedSite,
  { name, own, node, stacked, tokens }: StepTracing,
): SiteTrace {
  const emit = (tensor: string): string => {
    builder.output(tensor, DataType.DOUBLE);
    return tensor;
  };
  const { probe, row } = buildRowProbe(builder, output, tokens);
  const stepOutputs = (
    step: Step,
    tensor: string,
    at: string,
    made: NodeProto | null,
    type: DataType,
  ): StepOutputs => ({
    step,
    row: emit(buildRow(builder, tensor, at)),
    largest: emit(buildLargest(builder, tensor, type)),
    node: made,
  });
  const result = stepOutputs('output', output, row, node, DataType.UNDEFINED);
  const common = { found: emit(probe), inputs: inputProbes(builder, inputs, name, tokens, emit) };
  if (own) {
    const first = (tensor: string): string =>
      stacked === 1
        ? tensor
        : builder.ops('Split', [tensor], stacked, { axis: 0n, num_outputs: BigInt(stacked) })[0]!;
    return {
      ...common,
      steps: [
        ...own.map((each) =>
          stepOutputs(each.step, first(each.tensor), row, each.node, DataType.UNDEFINED),
        ),
        result,
      ],
      fused: null,
      unpadded: false,
    };
  }

  const shown = name === 'original' ? [] : stepsOf(builder, name, inputs);
  const addsMask =
    name === 'sdpa' ||
    (name === 'original' && !isMicrosoftOp(node ?? undefined, 'GroupQueryAttention'));
  const unpadded = name === 'flash' && shown.length > 0;
  const at = unpadded ? unpaddedRow(builder, inputs, row) : row;
  const traced = (
    shown.length > 0 ? shown : stepsOf(builder, 'eager', shadowOf(inputs, addsMask))
  ).map(({ step, tensor }) => stepOutputs(step, tensor, at, node, DataType.FLOAT));
  return shown.length > 0
    ? {
        ...common,
        steps: [...traced.filter(({ step }) => step !== 'output'), result],
        fused: null,
        unpadded,
      }
    : { ...common, steps: traced, fused: result, unpadded };
}

/** Builds an implementation once more for the tensors on its way; of a fused kernel there are none. */
function stepsOf(
  builder: GraphBuilder,
  name: Exclude<ImplementationName, 'original'>,
  inputs: AttentionInputs,
): { step: Step; tensor: string }[] {
  const steps: { step: Step; tensor: string }[] = [];
  builder.within('trace', () =>
    attend(builder, name, { ...inputs, trace: (step, tensor) => steps.push({ step, tensor }) }),
  );
  return steps;
}

/**
 * What shows the steps of a fused kernel: eager in float32 with the same mask. ONNX Runtime's `Attention` and
 * MultiHeadAttention add masks, boolean ones as −inf, so that an infinite score becomes NaN even where it is masked;
 * GroupQueryAttention, and our float64, leave masked scores out.
 */
function shadowOf(inputs: AttentionInputs, adds: boolean): AttentionInputs {
  const { maskForm, maskFill, deviation } = inputs.settings;
  const given = maskForm === 'additive' || inputs.masks.bias() !== null;
  const mask = given
    ? { maskForm: 'additive' as const, maskFill }
    : adds
      ? { maskForm: 'additive' as const, maskFill: '-inf' as const }
      : { maskForm: 'boolean' as const };
  return { ...inputs, settings: { ...DEFAULT_SETTINGS, deviation, ...mask } };
}

function inputProbes(
  builder: GraphBuilder,
  inputs: AttentionInputs,
  name: ImplementationName,
  tokens: string,
  emit: (tensor: string) => string,
): SiteTrace['inputs'] {
  const precision = name === 'original' || name === 'exact' ? 'fp32' : inputs.settings.precision;
  const probe = (tensor: string): string =>
    emit(buildElementProbe(builder, tensor, DataType.FLOAT, tokens));
  const of = (role: QkvRole): SiteTrace['inputs'][QkvRole] => {
    const given = probe(inputs[role]);
    return {
      given,
      rounded: precision === 'fp32' ? given : probe(rounded(builder, inputs[role], precision)),
    };
  };
  return { query: of('query'), key: of('key'), value: of('value') };
}

/** The flat row r·H·L + h·L + j of unpadded tokens that the padded row b·H·S + h·S + s comes from. */
function unpaddedRow(
  builder: GraphBuilder,
  { heads, masks }: AttentionInputs,
  row: string,
): string {
  const { gather, scatter } = masks.segments('all');
  const size = (tensor: string): string => builder.op('Shape', [tensor], { start: 1n, end: 2n });
  const op = (opType: string, left: string, right: string): string =>
    builder.op(opType, [left, right]);
  const [length, slots, count] = [size(scatter), size(gather), builder.ints(heads)];
  const plane = op('Div', row, length);
  const token = op('Add', op('Mul', op('Div', plane, count), length), op('Mod', row, length));
  // A padding token has no slot; its row is zero, and is asked for only where no row is found.
  const slot = op(
    'Min',
    builder.op('Gather', [builder.reshapeTo(scatter, -1), token], { axis: 0n }),
    op('Sub', builder.op('Size', [gather]), builder.ints(1)),
  );
  const unpaddedPlane = op(
    'Add',
    op('Mul', op('Div', slot, slots), count),
    op('Mod', plane, count),
  );
  return op('Add', op('Mul', unpaddedPlane, slots), op('Mod', slot, slots));
}

/** The graph outputs that a trace reads. */
export function traceOutputs({ found, steps, fused, inputs }: SiteTrace): string[] {
  const rows = [...steps, ...(fused ? [fused] : [])].flatMap(({ row, largest }) => [row, largest]);
  return [
    found,
    ...rows,
    ...Object.values(inputs).flatMap((input) => [input.given, input.rounded]),
  ];
}
