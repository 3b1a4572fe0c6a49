import { float16Bits } from '../float16.js';
import { shellQuote } from '../shellQuote.js';
import type { Repro, TensorData } from '../types.js';
import { jsonText } from './jsonText.js';
import { formatNumber } from './text/number.js';
import { printable } from './text/width.js';

/** A file of a reproduction: its name in the folder, and what it holds. */
interface ReproFile {
  name: string;
  content: string | Uint8Array;
}

/**
 * The files of a reproduction: the model, its inputs (one raw little-endian file each, listed in inputs.json), what is
 * expected where the script cannot compute it, and a script that needs onnxruntime-node alone.
 */
export function reproFiles(repro: Repro): ReproFile[] {
  const tensors = Object.entries(repro.inputs);
  const listed = tensors.map(([name, { type, dims }], i) => ({
    name,
    type,
    dims,
    file: fileOf(name, i),
  }));
  return [
    { name: 'model.onnx', content: repro.model },
    { name: 'inputs.json', content: `${jsonText(listed, 2)}\n` },
    ...tensors.map(([name, tensor], i) => ({ name: fileOf(name, i), content: bytes(tensor) })),
    ...(repro.expected
      ? [
          {
            name: 'expected.bin',
            content: bytes({
              ...repro.expected,
              type: 'float64',
              data: Float64Array.from(repro.expected.data as Float32Array),
            }),
          },
        ]
      : []),
    ...(repro.valid ? [{ name: 'valid.bin', content: repro.valid }] : []),
    { name: 'run.mjs', content: repro.expected ? againstExpected(repro) : againstCpu(repro) },
  ];
}

/** One line on what was written, or why nothing was. */
export function reproText(repro: Repro | null, folder: string): string {
  const path = folder.replace(/[/\\]+$/, '');
  if (!repro)
    return `${printable(path)}: nothing was written: no attention that can be taken out of the model diverges on the same Q, K, V.`;
  return `${printable(path)}: ${repro.opType === null ? 'the attention' : `one ${repro.opType} node`} of layer ${repro.layer} as ${repro.implementation}; run it with: ${['node', `${path}/run.mjs`].map(shellQuote).join(' ')}`;
}

function fileOf(name: string, i: number): string {
  return `${i}-${name.replaceAll(/[^\w.-]+/g, '_')}.bin`;
}

function bytes({ type, data: numbers }: TensorData): Uint8Array {
  const data = type === 'float16' ? float16Bits(numbers as Float32Array) : numbers;
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** What both scripts begin with: the environment that chooses the kernel, and the inputs. */
function beginning({ environment }: Repro, about: readonly string[]): string[] {
  return [
    ...about.map((line) => `// ${printable(line)}`),
    "import { readFileSync } from 'node:fs';",
    ...(Object.keys(environment).length > 0
      ? [`Object.assign(process.env, ${jsonText(environment)});`]
      : []),
    "const { default: ort } = await import('onnxruntime-node');",
    'const here = (name) => new URL(name, import.meta.url);',
    'const types = { float32: Float32Array, float64: Float64Array, float16: Uint16Array, int64: BigInt64Array, int32: Int32Array, bool: Uint8Array };',
    'const array = (file, type) => new types[type](new Uint8Array(readFileSync(here(file))).buffer);',
    "const feeds = Object.fromEntries(JSON.parse(readFileSync(here('inputs.json'))).map(({ name, type, dims, file }) => [name, new ort.Tensor(type, array(file, type), dims)]));",
    "const run = async (provider) => (await (await ort.InferenceSession.create(readFileSync(here('model.onnx')), { executionProviders: [provider], graphOptimizationLevel: 'basic', logSeverityLevel: 4 })).run(feeds));",
  ];
}

function againstCpu(repro: Repro): string {
  const { opType, provider, output, implementation, layer } = repro;
  return lines([
    ...beginning(repro, [
      `One ${opType} node on two execution providers. Found by attn-diff: ${implementation}, layer ${layer}, relative L2 ${formatNumber(repro.relL2)}.`,
      'npm install onnxruntime-node, then: node run.mjs',
    ]),
    `const [{ ${jsonText(output)}: cpu }, { ${jsonText(output)}: other }] = [await run('cpu'), await run(${jsonText(provider)})];`,
    'const off = Array.from(cpu.data, (x, i) => Math.abs(Number(x) - Number(other.data[i])));',
    'const first = off.findIndex((x) => !(x <= 1e-3));',
    `console.log(\`\${${jsonText(`${opType} on ${provider} against cpu`)}}: max |difference| \${off.reduce((a, b) => (a >= b || Number.isNaN(a) ? a : b))}, first beyond 1e-3 at element \${first} of [\${cpu.dims}]\`);`,
  ]);
}

function againstExpected(repro: Repro): string {
  const { provider, output, implementation, against, layer } = repro;
  return lines([
    ...beginning(repro, [
      `Attention of layer ${layer} as ${implementation}, held against ${against} (expected.bin). Found by attn-diff: relative L2 ${formatNumber(repro.relL2)} on valid tokens.`,
      'npm install onnxruntime-node, then: node run.mjs',
    ]),
    `const { ${jsonText(output)}: actual } = await run(${jsonText(provider)});`,
    "const [expected, valid] = [array('expected.bin', 'float64'), array('valid.bin', 'bool')];",
    'const [, heads, length, width] = actual.dims;',
    'const token = (i) => Math.floor(i / (heads * length * width)) * length + (Math.floor(i / width) % length);',
    'const off = Array.from(actual.data, (x, i) => (valid[token(i)] ? Math.abs(Number(x) - expected[i]) : 0));',
    `console.log(\`\${${jsonText(`${implementation} against ${against}`)}}: max |difference| \${off.reduce((a, b) => (a >= b || Number.isNaN(a) ? a : b))} on valid tokens of [\${actual.dims}]\`);`,
  ]);
}

function lines(text: readonly string[]): string {
  return `${text.join('\n')}\n`;
}
