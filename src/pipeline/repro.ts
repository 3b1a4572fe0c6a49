import type { ResolvedSite } from '../attention/evaluate.js';
import { environmentOf } from '../attention/kernels.js';
import { encodeModel } from '../onnx/read.js';
import type { Runner } from '../runners/types.js';
import type { Finding, Repro, Stream, TensorData } from '../types.js';
import { alone, type Alone, type AlonePlace, type Case } from './alone.js';
import { validRelL2 } from './distance.js';
import { handed, handOut } from './handed.js';
import { runOnce } from './once.js';
import { oneNodeOf } from './reproNode.js';
import { runnerOf, twinOf, type SecondPass } from './secondPass.js';

/** A finding that a layer's attention shows on the reference's Q, K, V. */
type Local =
  | Extract<Finding, { layers: number[]; batch: string; implementation: string }>
  | Extract<Finding, { code: 'local-divergence' }>;

/**
 * Makes a reproduction of the gravest finding on the same Q, K, V: the attention of one layer alone, with its inputs.
 * Where the divergence stays, they are one row's valid tokens, without any padding; where further the implementation is
 * one fused node that the CPU runs rightly, the model is that node.
 *
 * @param findings the gravest first
 * @returns null where no finding is of that kind, or only one of the file's own nodes, which the file itself reproduces
 * @throws AttnDiffError execution-failed, runner-crashed, timed-out
 */
export async function makeRepro(
  findings: readonly Finding[],
  context: SecondPass,
): Promise<Repro | null> {
  const { implementations, reference: label } = context.config;
  const labelled = (wanted: string): Stream | undefined =>
    implementations.find((stream) => stream.label === wanted);
  const finding = findings
    .filter(isLocal)
    .find(({ implementation }) => (labelled(implementation)?.name ?? 'original') !== 'original');
  if (!finding) return null;
  const stream = labelled(finding.implementation)!;
  // The reference itself may be at fault; then what it was held against is right.
  const against = labelled('against' in finding ? finding.against : label)!;
  const layer = 'layers' in finding ? finding.layers[0]! : finding.layer;
  const batch = context.batches.find(({ name }) => name === finding.batch)!;
  const site = context.sites.find((candidate) => candidate.layer === layer)!;
  const home = await handOut(context, labelled(label)!, stream, batch);
  const inputs = {
    query: handed(home, `layer${layer}/query`),
    key: handed(home, `layer${layer}/key`),
    value: handed(home, `layer${layer}/value`),
  };
  const whole: Case = { batch, inputs };
  const cases = [...reduced(whole), whole];
  for (const [i, each] of cases.entries()) {
    const own = alone(stream, placeAt(site), each);
    const expected = await output(
      alone(twinOf(against), placeAt(site), each),
      runnerOf(context, twinOf(against)),
    );
    const actual = await output(own, runnerOf(context, stream));
    const relL2 = validRelL2(actual, expected, each.batch);
    if (relL2 <= finding.limit && i < cases.length - 1) continue;
    const common = {
      implementation: stream.label,
      against: against.label,
      layer,
      provider: stream.settings.provider,
      environment: environmentOf(stream.name, stream.settings),
      relL2,
    };
    const node =
      i < cases.length - 1 && stream.settings.provider !== 'cpu'
        ? await oneNodeOf(own, runnerOf(context, twinOf(stream)))
        : null;
    if (node) return { ...common, ...node, expected: null, valid: null };
    const valid = Uint8Array.from(each.batch.kinds, (kind) => Number(kind === 'valid'));
    return {
      ...common,
      opType: null,
      model: encodeModel(own.model),
      inputs: own.feeds,
      output: own.output,
      expected,
      valid,
    };
  }
  return null;
}

function placeAt({ scale, softcap, sinks, maskSummary }: ResolvedSite): AlonePlace {
  return { scale, softcap, sinks, mask: maskSummary };
}

function isLocal(finding: Finding): finding is Local & { limit: number } {
  return (
    'limit' in finding &&
    'batch' in finding &&
    ('layers' in finding || finding.code === 'local-divergence')
  );
}

/** Each row alone, without its padding, the longest first; none where rows are more than their valid tokens. */
function reduced({ batch, inputs }: Case): Case[] {
  if (batch.mask !== null || batch.documents !== null || batch.past > 0) return [];
  const rows = Array.from({ length: batch.size }, (_, row) => ({
    row,
    tokens: Array.from({ length: batch.length }, (__, s) => s).filter(
      (s) => batch.kinds[row * batch.length + s] === 'valid',
    ),
  }));
  return rows
    .toSorted((a, b) => b.tokens.length - a.tokens.length)
    .map(({ row, tokens }) => {
      const pick = (tensor: TensorData): TensorData => picked(tensor, row, tokens);
      const length = tokens.length;
      return {
        batch: {
          ...batch,
          size: 1,
          length,
          padding: 'right',
          inputIds: BigInt64Array.from(tokens, (s) => batch.inputIds[row * batch.length + s]!),
          attentionMask: new BigInt64Array(length).fill(1n),
          positionIds: BigInt64Array.from({ length }, (_, i) => BigInt(i)),
          kinds: tokens.map(() => 'valid'),
        },
        inputs: { query: pick(inputs.query), key: pick(inputs.key), value: pick(inputs.value) },
      };
    });
}

/** Some tokens of one row: [B,heads,S,D] → [1,heads,tokens,D]. */
function picked(
  { type, dims, data }: TensorData,
  row: number,
  tokens: readonly number[],
): TensorData {
  const [, heads, length, width] = dims as [number, number, number, number];
  const part = new Float32Array(heads * tokens.length * width);
  for (let head = 0; head < heads; head++) {
    for (const [i, token] of tokens.entries()) {
      const start = ((row * heads + head) * length + token) * width;
      part.set(
        (data as Float32Array).subarray(start, start + width),
        (head * tokens.length + i) * width,
      );
    }
  }
  return { type, dims: [1, heads, tokens.length, width], data: part };
}

async function output({ model, feeds, output: name }: Alone, runner: Runner): Promise<TensorData> {
  return (await runOnce(runner, model, feeds, 'making a reproduction'))[name]!;
}
