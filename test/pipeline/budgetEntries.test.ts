import { describe, expect, it } from 'vitest';
import { parseRunOptions } from '../../src/config/index.js';
import { readConfigFile } from '../../src/config/file.js';
import { parseTypedOptions } from '../../src/config/typedOptions.js';
import type { BudgetOption } from '../../src/diffOptions.js';
import type { AttnDiffError, ErrorCode } from '../../src/errors.js';
import { prepareRun } from '../../src/pipeline/prepare.js';
import { errorText } from '../../src/report/errorText.js';
import { fixture } from '../support/fixtures.js';

/** The prompts that are built in, which are padded. */
const OPTIONS = { model: fixture('qwen2-optimum'), padding: 'left,right', impl: 'eager,sdpa' };

type Extra = Partial<typeof OPTIONS> & { shard?: string };

/** What a run with one budget is refused with, before anything is executed; null where it is not. */
async function refused(budget: object, more: Extra = {}): Promise<AttnDiffError | null> {
  const file = readConfigFile(
    JSON.stringify({ budgets: [{ metric: 'rel-l2', max: 1, ...budget }] }),
    'c.json',
  );
  return prepareRun(parseRunOptions({ ...OPTIONS, ...more }, { file })).then(
    () => null,
    (error: AttnDiffError) => error,
  );
}

describe('an entry of a budget', () => {
  it.each<[object, string, string]>([
    [
      { batch: ['left', 'rigth'] },
      'budgets[0].batch',
      '"rigth" matches no batch; batches are left, right; --unset budgets leaves all budgets out',
    ],
    [
      { layers: [0, '90-99'] },
      'budgets[0].layers',
      '90-99 matches no layer; layers are 0 to 3; --unset budgets leaves all budgets out',
    ],
    [
      { implementation: ['sdpa', 'flash'] },
      'budgets[0].implementation',
      '"flash" matches no implementation of this run that it could measure; these are sdpa; --unset budgets leaves all budgets out',
    ],
    [
      { implementation: 'eager' },
      'budgets[0].implementation',
      '"eager" matches no implementation of this run that it could measure; these are sdpa; --unset budgets leaves all budgets out',
    ],
    [
      { tap: 'hidden', scope: 'local' },
      'budgets[0].tap',
      '"hidden" matches nothing together with what else the budget names; taps are attention, hidden, logits; --unset budgets leaves all budgets out',
    ],
    [
      { metric: 'kl', batch: 3 },
      'budgets[0].batch',
      '"3" matches no batch; batches are left, right; --unset budgets leaves all budgets out',
    ],
  ])('that matches nothing is refused before the run: %j', async (budget, key, problem) => {
    const error = await refused(budget);
    expect(error).toMatchObject({
      code: 'config-file-invalid' satisfies ErrorCode,
      exitCode: 2,
      args: { path: 'c.json', line: 1, key, problem },
    });
    expect(errorText(error!)).toContain(`c.json:1, ${key}: ${problem}.`);
  });

  it('is refused from TypeScript too, by the name that the caller gave', async () => {
    const budgets: BudgetOption[] = [
      { metric: 'kl', max: 1 },
      { metric: 'rel-l2', max: 1, batch: ['left', 'rigth'] },
    ];
    const config = parseTypedOptions({
      model: OPTIONS.model,
      padding: ['left', 'right'],
      impl: ['eager', 'sdpa'],
      budgets,
    });
    await expect(prepareRun(config)).rejects.toMatchObject({
      code: 'bad-option',
      args: {
        option: 'budgets[1].batch',
        value: 'rigth',
        problem: 'it matches no batch',
        remedy: 'one of left, right',
      },
    });
  });

  it('of a kind of token that no batch holds is refused', async () => {
    expect(await refused({ kind: ['valid', 'fullyMasked'] }, { padding: 'right' })).toMatchObject({
      args: {
        key: 'budgets[0].kind',
        problem: expect.stringContaining(
          '"fullyMasked" matches no token; kinds of tokens are valid, padding',
        ),
      },
    });
    expect(await refused({ kind: ['valid', 'fullyMasked'] })).toBeNull();
  });

  it('that matches is taken, also where only another part of the run has it, and where the budget is off', async () => {
    expect(
      await refused({
        batch: ['left', 'right'],
        layers: [0, '1-3'],
        tap: ['attention', 'hidden'],
        scope: ['local', 'accumulated'],
        implementation: 'sdpa',
      }),
    ).toBeNull();
    expect(await refused({ batch: 'right' }, { shard: '1/2' })).toBeNull();
    expect(await refused({ metric: 'max-ratio', implementation: 'eager' })).toBeNull();
    expect(await refused({ batch: 'rigth', level: 'off' })).toBeNull();
  });
});
