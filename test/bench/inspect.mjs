// Measures that inspecting a model does not read its weights: the same graph with 2 MB and with 2 GB of external
// data, in turns, as a ratio.
//
//   npm run bench:inspect
import {
  cpSync,
  mkdtempSync,
  openSync,
  ftruncateSync,
  closeSync,
  rmSync,
  writeFileSync,
  readFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnSync } from 'node:child_process';
import { decodeModel, encodeModel } from '../../dist/onnx/read.js';
import { externalData } from '../../dist/onnx/external.js';

const ROUNDS = 9;
const cli = fileURLToPath(new URL('../../bin/attn-diff.js', import.meta.url));
const fixture = fileURLToPath(new URL('../../fixtures/qwen2-dynamo', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'attn-diff-bench-'));

/** The fixture with its external tensors made taller until they take `bytes`; the data file is a hole of that size. */
function model(name, bytes) {
  const folder = join(root, name);
  cpSync(fixture, folder, { recursive: true });
  const path = join(folder, 'model.onnx');
  const proto = decodeModel(readFileSync(path), path);
  const tensors = proto.graph.initializer.filter(
    (tensor) => externalData(tensor) && tensor.dims.length === 2,
  );
  const each = Math.floor(bytes / tensors.length);
  tensors.forEach((tensor, i) => {
    const rows = Math.floor(each / 4 / Number(tensor.dims[1]));
    tensor.dims = [BigInt(rows), tensor.dims[1]];
    for (const field of tensor.externalData) {
      if (field.key === 'offset') field.value = String(i * each);
      if (field.key === 'length') field.value = String(rows * Number(tensor.dims[1]) * 4);
    }
  });
  writeFileSync(path, encodeModel(proto));
  const data = openSync(join(folder, 'model.onnx.data'), 'w');
  ftruncateSync(data, Math.max(bytes, 2 ** 21));
  closeSync(data);
  return folder;
}

const seconds = (folder) => {
  const from = performance.now();
  const { status, stderr } = spawnSync(process.execPath, [cli, 'inspect', '--model', folder], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return (performance.now() - from) / 1000;
};
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

try {
  const small = model('small', 2 ** 21);
  const large = model('large', 2 ** 31);
  const times = Array.from({ length: ROUNDS + 1 }, () => [seconds(small), seconds(large)]).slice(1);
  const [a, b] = [median(times.map(([time]) => time)), median(times.map(([, time]) => time))];
  console.log(
    `inspect, median of ${ROUNDS}: 2 MB ${a.toFixed(3)} s, 2 GB ${b.toFixed(3)} s, ratio ${(b / a).toFixed(2)}`,
  );
} finally {
  rmSync(root, { recursive: true });
}
