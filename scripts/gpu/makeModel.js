// Writes a Qwen2 model with random weights, the same for the same sizes: model.onnx, config.json
// and the weights beside them. A gigabyte takes about a second, since the weights are slices of one
// block of random numbers, each tensor's from a place of its own.
//
//   node scripts/gpu/makeModel.js FOLDER [LAYERS]
import { mkdirSync, closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mulberry32 } from '../../dist/batch/index.js';
import { encodeModel } from '../../dist/onnx/read.js';
import { qwenGraph } from './qwenGraph.js';
import { configOf, HALF_BILLION } from './qwenShape.js';

const WEIGHTS = 'model.onnx.data';
/** A prime, so that rows of a matrix, whose widths are even, fall on other places each time. */
const BLOCK = 4_194_301;

/** @returns where the model lies */
export function makeModel(folder, shape) {
  mkdirSync(folder, { recursive: true });
  const { model, weights } = qwenGraph(shape, WEIGHTS);
  writeFileSync(join(folder, 'model.onnx'), encodeModel(model));
  writeFileSync(join(folder, 'config.json'), `${JSON.stringify(configOf(shape), null, 2)}\n`);
  writeWeights(join(folder, WEIGHTS), weights);
  return join(folder, 'model.onnx');
}

function writeWeights(path, weights) {
  const random = mulberry32(0);
  const normal = normalBlock(random);
  const scaled = new Map();
  const blockOf = ({ std, value }) => {
    const key = `${std} ${value}`;
    if (!scaled.has(key)) {
      scaled.set(
        key,
        value === undefined ? normal.map((x) => x * std) : new Float32Array(BLOCK).fill(value),
      );
    }
    return scaled.get(key);
  };
  const file = openSync(path, 'w');
  for (const weight of weights) {
    const block = blockOf(weight);
    let from = Math.floor(random() * BLOCK);
    for (let done = 0; done < weight.count;) {
      const part = block.subarray(from, Math.min(BLOCK, from + weight.count - done));
      writeAll(
        file,
        Buffer.from(part.buffer, part.byteOffset, part.byteLength),
        weight.offset + done * 4,
      );
      done += part.length;
      from = 0;
    }
  }
  closeSync(file);
}

/** Writing may take fewer bytes than it is given. */
function writeAll(file, bytes, position) {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(file, bytes, done, bytes.length - done, position + done);
  }
}

/** Numbers of mean 0 and standard deviation 1: sums of four even ones, which have no far tail. */
function normalBlock(random) {
  const scale = Math.sqrt(3);
  return Float32Array.from(
    { length: BLOCK },
    () => (random() + random() + random() + random() - 2) * scale,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder, layers] = process.argv.slice(2);
  if (folder === undefined || (layers !== undefined && !(Number(layers) > 0))) {
    console.error('usage: node scripts/gpu/makeModel.js FOLDER [LAYERS]');
    process.exit(2);
  }
  makeModel(
    folder,
    layers === undefined ? HALF_BILLION : { ...HALF_BILLION, layers: Number(layers) },
  );
}
