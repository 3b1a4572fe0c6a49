/** Says what is wrong with how a command ended, if anything is. */
import * as ort from 'onnxruntime-node';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LETTERS, PROMPTS } from './seeds.mjs';

/** A faulty file is a failed gate, bad usage or a bad model; that execution failed says nothing of the file. */
const ALLOWED = new Set([0, 1, 2, 3]);

/** What forges a terminal's output: control characters but tab and line feed, and those that turn the direction of text. */
const FORGING = /[^\P{Cc}\t\n]|[\u202a-\u202e\u2066-\u2069]/u;

/** @returns null where the command ended as it should */
export async function problemOf(
  { code, stdout, stderr },
  { broken = false, model = false, args },
  folder,
) {
  if (!ALLOWED.has(code)) return `exit code ${code}: ${stderr.slice(0, 500)}`;
  if (/\n\s+at .+:\d+/.test(stderr)) return `a stack trace: ${stderr.slice(0, 500)}`;
  if (code >= 2 && !/^attn-diff: [^\n]+\n$/.test(stderr))
    return `not one line on stderr: ${JSON.stringify(stderr.slice(0, 500))}`;
  if (code >= 2 && stdout !== '') return `exit code ${code} with a report`;
  if (code < 2 && args[args.indexOf('--format') + 1] === 'json') {
    try {
      JSON.parse(stdout);
    } catch (error) {
      return `the report is no JSON: ${error.message}`;
    }
  }
  if (FORGING.test((stdout + stderr).replaceAll('\r\n', '\n')))
    return 'control characters in the output';
  if (code !== 0 || args[0] !== 'run') return null;
  if (broken) return 'a broken model passed';
  return model ? falsePass(folder) : null;
}

/** Runs the file itself in a default session: a pass is false where that is refused, or gives NaN or Inf. */
async function falsePass(folder) {
  const path = join(folder, 'model', 'model.onnx');
  const ids = PROMPTS.flatMap((prompt) =>
    Array.from(prompt, (letter) => BigInt(LETTERS.indexOf(letter) + 2)),
  );
  const dims = [PROMPTS.length, ids.length / PROMPTS.length];
  const feeds = {
    input_ids: new ort.Tensor('int64', BigInt64Array.from(ids), dims),
    attention_mask: new ort.Tensor(
      'int64',
      BigInt64Array.from(ids, () => 1n),
      dims,
    ),
    position_ids: new ort.Tensor(
      'int64',
      BigInt64Array.from(ids, (_, i) => BigInt(i % dims[1])),
      dims,
    ),
  };
  try {
    const session = await ort.InferenceSession.create(path, { logSeverityLevel: 4 });
    const known = session.inputNames.every((name) => name in feeds);
    if (!known) return null;
    const outputs = await session.run(
      Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]])),
    );
    await session.release();
    const bad = Object.entries(outputs).find(
      ([, { type, data }]) => type === 'float32' && !data.every(Number.isFinite),
    );
    return bad ? `passed, though ${bad[0]} of the file itself is not finite` : null;
  } catch (error) {
    readFileSync(path);
    return `passed, though ONNX Runtime refuses the file: ${error.message.slice(0, 200)}`;
  }
}
