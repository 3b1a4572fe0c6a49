import { describe, expect, it } from 'vitest';
import type { DiffReport } from '../../src/types.js';
import { EXIT } from '../../src/errors.js';
import { fixture } from '../support/fixtures.js';
import { run, TestFolder } from '../support/cli.js';

const folder = new TestFolder();

/** Has the process of `flash:kernel=naive`, which alone has that variable, end in some way when it is to run a batch. */
async function withNaive(
  end: string,
  ...options: string[]
): Promise<{ code: number | null; report: DiffReport; left: string[]; stderr: string }> {
  const preload = await folder.write(
    `${end.replaceAll(/\W/g, '')}.mjs`,
    // A listener of its own would take the first message, which comes before the child listens; so it wraps the child's.
    `if (process.env.ORT_GQA_DISABLE_FLASH_ATTENTION === '1') {
  const on = process.on.bind(process);
  const wrapped = (listener) => (message) => {
    if (message.do === 'run') ${end};
    listener(message);
  };
  process.on = (name, listener) => on(name, name === 'message' ? wrapped(listener) : listener);
}
`,
  );
  const args = [
    'run',
    '--model',
    fixture('qwen2-optimum'),
    '--random',
    '1x8',
    '--padding',
    'right',
    '--impl',
    'eager,sdpa,flash:kernel=naive',
    '--format',
    'json',
    ...options,
  ];
  const { stdout, ...rest } = await run(args, { env: { NODE_OPTIONS: `--import=${preload}` } });
  return { ...rest, report: JSON.parse(stdout) as DiffReport };
}

describe.concurrent('a process of one implementation', () => {
  it.each([
    ['crashes', "process.kill(process.pid, 'SIGSEGV')", 'crashed', 'SIGSEGV', []],
    [
      'is killed, as the system does where memory runs out',
      "process.kill(process.pid, 'SIGKILL')",
      'out-of-memory',
      'SIGKILL',
      [],
    ],
    ['hangs', 'for (;;);', 'timed-out', '8', ['--timeout', '8']],
  ])(
    'that %s is a finding and a failed check; the others stand, and nothing is left behind',
    async (_, end, kind, problem, options) => {
      const { code, report, left, stderr } = await withNaive(end, ...options);
      expect({ code, left, stderr }).toEqual({ code: EXIT.gateFailed, left: [], stderr: '' });
      expect(report.findings[0]).toMatchObject({
        code: 'implementation-failed',
        implementation: 'flash:kernel=naive',
        failure: { kind, problem, batch: 'right' },
      });
      expect(report.implementations.map(({ proof, reason }) => reason ?? proof)).toEqual([
        'confirmed',
        'confirmed',
        'failed',
      ]);
      expect(
        report.rows.filter(
          ({ implementation, scope, kind: of }) =>
            implementation === 'sdpa' && scope === 'local' && of === 'valid',
        ),
      ).toHaveLength(4);
      expect(
        report.verdict.checks
          .filter(({ passed }) => !passed)
          .map(({ name, implementation }) => `${name} ${implementation}`),
      ).toEqual(['completed flash:kernel=naive']);
    },
  );
});
