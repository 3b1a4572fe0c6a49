import { Command } from '@commander-js/extra-typings';
import { parseBenchOptions } from '../config/index.js';
import { EXIT } from '../errors.js';
import { prepareBench, runBench } from '../pipeline/bench.js';
import { checkProviders } from '../pipeline/providers.js';
import { BENCH_FORMATS } from '../report/index.js';
import { DTYPE_HELP, MODEL_HELP, PROVIDER_HELP } from './run.js';
import type { Host } from './host.js';
import { withResources } from './resources.js';
import { renderOptions } from './terminal.js';

export function benchCommand(host: Host): Command {
  return new Command('bench')
    .description(
      'Measure time and memory of a forward pass with each attention implementation, against the file as it is.',
    )
    .option('--model <path>', MODEL_HELP)
    .option('--dtype <dtype>', DTYPE_HELP)
    .option('--impl <names>', 'implementations, as of `run` (default: original,eager,sdpa,flash)')
    .option('--provider <name>', PROVIDER_HELP)
    .option(
      '--precision <p>',
      'what attention is run in: fp32, fp16 or bf16, the lower two emulated where the provider has no kernel for them (default: fp32)',
    )
    .option('--lengths <list>', 'tokens per row, separated by commas (default: 64,256)')
    .option('--batch <n>', 'rows of random tokens (default: 1)')
    .option('--repeat <n>', 'passes that are measured (default: 5)')
    .option('--warmup <n>', 'passes before them (default: 1)')
    .option(
      '--timeout <seconds>',
      'what one step of an implementation may take, after which it has failed; without, no limit',
    )
    .option('--format <format>', 'text or json (default: text)')
    .option('--output <file>', 'write the report to a file instead of standard output')
    .action(async (options) => {
      const config = parseBenchOptions(options);
      await withResources(
        host,
        [config.output],
        async ({ outputs: [output], runners, progress, download }) => {
          await checkProviders(config.implementations, runners, config.timeout);
          const report = await runBench(
            await prepareBench(config, download),
            runners,
            progress.update,
          );
          progress.stop();
          output!.write(
            BENCH_FORMATS[config.format](report, renderOptions(config.output !== null)),
          );
        },
      );
      host.finish(EXIT.passed);
    }) as unknown as Command;
}
