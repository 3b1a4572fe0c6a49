// Measures what comparing costs: a run of N stacked streams against N bare forward passes of the unmodified file,
// taken in turns within one process, since these ratios survive a noisy machine and seconds do not.
//
//   npm run bench                                   the bundled model, 4x64
//   npm run bench -- --model FOLDER --batch 4x256   another one
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { assembleBatches } from '../../dist/batch/index.js';
import { rebuild } from '../../dist/attention/rebuild.js';
import { encodeModel } from '../../dist/onnx/read.js';
import { diffFeeds, modelFeeds } from '../../dist/pipeline/feeds.js';
import { loadModel } from '../../dist/pipeline/load.js';
import { resolveSites } from '../../dist/pipeline/resolve.js';
import { inProcessRunner } from '../../dist/runners/inProcess.js';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: fileURLToPath(new URL('../../fixtures/qwen2-optimum', import.meta.url)) },
    batch: { type: 'string', default: '4x64' },
    repeat: { type: 'string', default: '7' },
  },
});
const [batch, length] = values.batch.split('x').map(Number);
const runner = inProcessRunner();
const loaded = await loadModel(values.model);
const sites = await resolveSites(loaded, runner);
const [tokens] = await assembleBatches({ prompts: { kind: 'random', batch, length, seed: 0 }, padding: ['left'], length: null }, null, loaded.source.config);

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
const seconds = async (work) => {
  const from = performance.now();
  await work();
  return (performance.now() - from) / 1000;
};

const bare = await runner.open({ model: { path: loaded.source.onnxPath } }, 'bench');
console.log(`${values.model}, ${values.batch}, median of ${values.repeat}`);
console.log('streams              seconds   bare forwards   ratio');
for (const names of [['eager'], ['eager', 'sdpa'], ['eager', 'sdpa', 'flash'], ['eager', 'sdpa', 'flash', 'exact']]) {
  const streams = names.map((name) => ({ label: name, name }));
  const diff = rebuild({ graph: loaded.graph, sites, sizes: loaded.sizes, streams, reference: 'eager', maskFill: 'min' });
  const session = await runner.open({ model: { bytes: encodeModel(diff.model), folder: loaded.folder } }, 'bench');
  const [ours, floor] = [[], []];
  for (let i = 0; i <= Number(values.repeat); i++) {
    const one = await seconds(() => session.run(diffFeeds(loaded.inputs, loaded.sizes, diff, tokens)));
    const other = await seconds(async () => {
      for (let n = 0; n < streams.length; n++) await bare.run(modelFeeds(loaded.inputs, loaded.sizes, tokens, 1));
    });
    // The first round warms up.
    if (i > 0) {
      ours.push(one);
      floor.push(other);
    }
  }
  await session.close();
  console.log(`${names.join(',').padEnd(22)}${median(ours).toFixed(3).padStart(6)}${median(floor).toFixed(3).padStart(16)}${(median(ours) / median(floor)).toFixed(2).padStart(8)}`);
}
await bare.close();
