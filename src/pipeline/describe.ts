import { createHash } from 'node:crypto';
import { cpus } from 'node:os';
import { createRequire } from 'node:module';
import type { AttentionSite } from '../attention/site.js';
import { onnxRuntimeVersion } from '../runners/version.js';
import {
  TOKEN_KINDS,
  type Batch,
  type BatchInfo,
  type HostInfo,
  type ModelInfo,
  type TokenKind,
} from '../types.js';
import type { LoadedModel } from './load.js';
import { modelPrecision } from './precision.js';

export function describeModel({ source, graph, opset, sites, widened }: LoadedModel): ModelInfo {
  const { config } = source;
  return {
    path: source.path,
    family: familyOf(config.modelType),
    layers: config.layers,
    hiddenSize: config.hiddenSize,
    heads: config.heads,
    kvHeads: config.kvHeads,
    headDim: config.headDim,
    vocabSize: config.vocabSize,
    exporter: exporter(graph.model.producerName, graph.model.producerVersion, sites),
    opset,
    precision: modelPrecision(graph),
    attention: `${[...new Set(sites.map(({ form }) => form))].join('+')}${widened ? ', bf16 read as fp32' : ''}${config.isCausal ? '' : ', bidirectional'}`,
    notCompared: config.otherLayers,
    sinks: sites.flatMap(({ layer, sink }) => (sink === null ? [] : [{ layer, node: sink.node }])),
  };
}

/** Other pre-norm decoders work where nothing in them is special; the report says that they were taken so. */
function familyOf(modelType: string): string {
  return modelType.startsWith('qwen')
    ? modelType
    : `${modelType}, recognised as a Llama-like decoder`;
}

/** torch's two exporters write the same producer; TorchScript's names its nodes by module path, dynamo's by operator. */
function exporter(name: string, version: string, sites: readonly AttentionSite[]): string {
  const producer = `${name || 'unknown'} ${version}`.trim();
  if (name !== 'pytorch') return producer;
  return `${producer} (${sites[0]?.core.name.startsWith('/') ? 'TorchScript' : 'dynamo'})`;
}

/** Versions and the processor. */
export function describeHost(): HostInfo {
  return {
    attnDiff: packageVersion(),
    node: process.versions.node,
    onnxruntime: onnxRuntimeVersion(),
    platform: process.platform,
    arch: process.arch,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
  };
}

/** attn-diff's own version, from package.json. */
export function packageVersion(): string {
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
  return version;
}

export function describeBatch(batch: Batch): BatchInfo {
  const count = (kind: TokenKind): number => batch.kinds.filter((item) => item === kind).length;
  const { name, padding, size, length, source } = batch;
  return {
    name,
    padding,
    size,
    length,
    source,
    sha256: batchDigest(batch),
    tokens: Object.fromEntries(TOKEN_KINDS.map((kind) => [kind, count(kind)])) as Record<
      TokenKind,
      number
    >,
  };
}

/** SHA-256, in hexadecimal, of all that makes a batch what it is: its shape, token ids, masks, documents and past. */
function batchDigest({
  size,
  length,
  past,
  inputIds,
  attentionMask,
  documents,
  mask,
}: Batch): string {
  const hash = createHash('sha256').update(
    JSON.stringify({
      size,
      length,
      past,
      documents: documents !== null,
      mask: mask?.dims ?? null,
      additive: (mask?.additive ?? null) !== null,
    }),
  );
  for (const array of [inputIds, attentionMask, documents, mask?.allowed, mask?.additive]) {
    if (array) hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  }
  return hash.digest('hex');
}
