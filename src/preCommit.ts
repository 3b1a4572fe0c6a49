import { fileURLToPath } from 'node:url';
import { decidedExit } from './decidedExit.js';
import { EXIT, type ExitCode } from './errors.js';
import { gravest, hookRuns, notPassed } from './hookRuns.js';
import { visible } from './printable.js';

export { faultText } from './report/faultText.js';

const COMMAND = fileURLToPath(new URL('../bin/attn-diff.js', import.meta.url));

/** What pre-commit runs: attn-diff on each model that a commit changes, one after another. */
export async function main(finish: (code: ExitCode) => void): Promise<void> {
  const runs = hookRuns(process.argv.slice(2));
  if (runs.length === 0) {
    process.stderr.write(
      'attn-diff-pre-commit: no .onnx file is named. Name some, after the options of attn-diff run.\n',
    );
    return finish(EXIT.usage);
  }
  const ran: { model: string; code: ExitCode | null }[] = [];
  for (const { model, args } of runs) ran.push({ model, code: await decidedExit(COMMAND, args) });
  for (const line of notPassed(ran)) process.stderr.write(`${visible(line)}\n`);
  finish(gravest(ran.map(({ code }) => code)));
}
