import { Argument, Command, Option } from '@commander-js/extra-typings';
import { cleanups } from '../cuda/setup/cleanups.js';
import { removeCuda, setUpCuda } from '../cuda/setup/index.js';
import { surroundings } from '../cuda/setup/surroundings.js';
import { AttnDiffError, EXIT } from '../errors.js';
import { clearStaleScratch } from '../files/scratch.js';
import { setupListText, setupNoticeText, setupText } from '../report/index.js';
import { SETUPS, type SetupOutcome } from '../setupTypes.js';
import type { Host } from './host.js';
import { onEnd } from './interrupt.js';
import { say } from './say.js';

const NAMES = Object.keys(SETUPS) as (keyof typeof SETUPS)[];

interface SetupOptions {
  from?: string | undefined;
  remove?: true | undefined;
  dryRun?: true | undefined;
}

export function setupCommand(host: Host): Command {
  return new Command('setup')
    .description(
      "Put the CUDA provider's libraries in place, which do not ship with attn-diff, after a check that they fit. " +
        'Without an argument, list what can be set up.',
    )
    .addArgument(new Argument('[what]', 'what is set up').choices(NAMES))
    .option(
      '--from <path>',
      'a wheel of onnxruntime-gpu, or a folder that holds its libraries (default: one installed for Python, else pip downloads the wheel)',
    )
    .option('--dry-run', 'print what would be done; change and download nothing')
    .addOption(new Option('--remove', "remove the provider's libraries").conflicts('from'))
    .action(async (what, options) => {
      if (what !== undefined) await setUp(options);
      else if (Object.keys(options).length === 0) process.stdout.write(setupListText());
      else throw missingName();
      host.finish(EXIT.passed);
    }) as unknown as Command;
}

async function setUp({ from, remove, dryRun }: SetupOptions): Promise<void> {
  const isDryRun = dryRun ?? false;
  const undo = cleanups();
  const release = onEnd(undo.run, () => null);
  const machine = surroundings(undo, (notice) => say(setupNoticeText(notice)));
  clearStaleScratch();
  let outcome: SetupOutcome;
  try {
    outcome = remove
      ? removeCuda(isDryRun, machine)
      : await setUpCuda({ from: from ?? null, isDryRun }, machine);
  } finally {
    undo.run();
    release();
  }
  process.stdout.write(setupText(outcome));
}

function missingName(): AttnDiffError<'usage'> {
  const problem = `what is to be set up was not given: ${NAMES.join(', ')}`;
  return new AttnDiffError('usage', { problem, command: 'attn-diff setup' });
}
