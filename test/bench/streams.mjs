// Measures what comparing costs: a batch of a run with N implementations, the hidden streams that errors are measured
// against and the statistics of the logits included, against N bare forward passes of the unmodified file,
// taken in turns, since these ratios survive a noisy machine and seconds do not. A kernel asked for by name is a lane of
// its own, in a second process, to which the reference's tensors are handed.
//
//   npm run bench                                   the bundled model, 4x64
//   npm run bench -- --model FOLDER --batch 4x256   another one
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseRunOptions } from '../../dist/config/index.js';
import { modelFeeds } from '../../dist/pipeline/feeds.js';
import { openMeasurement } from '../../dist/pipeline/measure.js';
import { prepareRun } from '../../dist/pipeline/prepare.js';
import { resolveSites } from '../../dist/pipeline/resolve.js';
import { childRunners } from '../../dist/runners/childProcess.js';

const { values } = parseArgs({
  options: {
    model: {
      type: 'string',
      default: fileURLToPath(new URL('../../fixtures/qwen2-optimum', import.meta.url)),
    },
    batch: { type: 'string', default: '4x64' },
    repeat: { type: 'string', default: '7' },
  },
});
const runners = childRunners();
const runner = runners.at({});
const configOf = (impl, precision) =>
  parseRunOptions({ model: values.model, impl, precision, random: values.batch, padding: 'left' });
const { loaded, batches } = await prepareRun(configOf('eager', 'fp32'));
const sites = await resolveSites(loaded, runner);
const [tokens] = batches;

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
const seconds = async (work) => {
  const from = performance.now();
  await work();
  return (performance.now() - from) / 1000;
};

const bare = await runner.open({ model: { path: loaded.source.onnxPath } }, 'bench');
console.log(`${values.model}, ${values.batch}, median of ${values.repeat}`);
console.log('implementations                precision   seconds   bare forwards   ratio');
for (const [impl, precision] of [
  ['eager', 'fp32'],
  ['eager,sdpa,flash', 'fp32'],
  ['eager,sdpa,flash,exact', 'fp32'],
  ['eager,sdpa,flash:kernel=flash', 'fp32'],
  ['eager,sdpa,flash', 'bf16'],
]) {
  const config = configOf(impl, precision);
  const measurement = await openMeasurement(config, loaded, sites, batches, runners);
  const [ours, floor] = [[], []];
  for (let i = 0; i <= Number(values.repeat); i++) {
    const one = await seconds(() => measurement.run(tokens));
    const other = await seconds(async () => {
      for (let n = 0; n < config.implementations.length; n++)
        await bare.run(modelFeeds(loaded.inputs, loaded.sizes, tokens, 1));
    });
    // The first round warms up.
    if (i > 0) {
      ours.push(one);
      floor.push(other);
    }
  }
  await measurement.close();
  console.log(
    `${impl.padEnd(32)}${precision.padEnd(8)}${median(ours).toFixed(3).padStart(10)}${median(floor).toFixed(3).padStart(16)}${(median(ours) / median(floor)).toFixed(2).padStart(8)}`,
  );
}
await bare.close();
runners.stop();
