// Plants one fault in each of several implementations, of a kind that no setting of attn-diff makes, and explains how
// they part from eager. Needs a build.
//
//   node scripts/plantFaults.js
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseRunOptions } from '../dist/config/index.js';
import { prepareRun } from '../dist/pipeline/prepare.js';
import { runDiff } from '../dist/pipeline/run.js';
import { explainReport } from '../dist/report/index.js';
import { inProcessRunners } from '../dist/runners/inProcess.js';

const MODEL = join(dirname(dirname(fileURLToPath(import.meta.url))), 'fixtures', 'qwen2-optimum');

const prepared = await prepareRun(
  parseRunOptions({
    model: relative(process.cwd(), MODEL),
    random: '3x24',
    padding: 'left',
    impl: 'eager,sdpa',
  }),
);
const { config, loaded } = prepared;
const { headDim } = loaded.sizes;
const inverseFrequencies = Array.from(
  { length: headDim / 2 },
  (_, i) => loaded.source.config.rope.theta ** ((-2 * i) / headDim),
);

const FAULTS = {
  'sdpa:half-scale': { kind: 'scale', factor: 0.5 },
  'sdpa:later-keys': { kind: 'mask-ignored', part: 'causal' },
  'sdpa:shifted': { kind: 'mask-shift', by: 1 },
  'sdpa:turned': { kind: 'positions', by: -1, inverseFrequencies },
  'sdpa:kv-in-turn': { kind: 'kv-mapping' },
  'eager:flushed': { kind: 'flush', below: 2 ** -8 },
  'sdpa:nan': { kind: 'nan', head: 2 },
};

const [eager, sdpa] = config.implementations;
const faulty = Object.entries(FAULTS).map(([label, deviation]) => {
  const stream = label.startsWith('eager') ? eager : sdpa;
  return { ...stream, label, settings: { ...stream.settings, deviation } };
});
const report = await runDiff(
  { ...prepared, config: { ...config, implementations: [eager, ...faulty] } },
  inProcessRunners(),
);
process.stdout.write(explainReport(report, { width: 100, color: false }));

// An implementation in another precision than it says: in one layer, since its label would tell of it in all.
const cast = await runDiff(
  {
    ...prepared,
    config: { ...config, implementations: [eager, { ...sdpa, label: 'sdpa:cast' }] },
    plant: { stream: 'sdpa:cast', layer: 2, deviation: { kind: 'precision', to: 'bf16' } },
  },
  inProcessRunners(),
);
process.stdout.write(`\n${explainReport(cast, { width: 100, color: false })}`);
