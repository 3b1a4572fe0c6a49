import { judge } from '../../src/gate/index.js';
import { findings } from '../../src/metrics/index.js';
import {
  REPORT_SCHEMA,
  type DiffReport,
  type Inspection,
  type ModelInfo,
  type Row,
  type Shard,
  type TokenKind,
} from '../../src/types.js';
import { gateOf, type GateWords } from '../support/gate.js';

interface SampleOptions {
  layers?: number;
  gate?: GateWords;
  /** Changes a row before the findings and the verdict are made. */
  edit?: (row: Row) => Row;
}

const TOKENS: Record<string, Record<TokenKind, number>> = {
  left: { valid: 41, padding: 0, fullyMasked: 23 },
  right: { valid: 41, padding: 23, fullyMasked: 0 },
};

/** A small report made by hand: eager the reference, sdpa and flash within rounding, flash with zeros on padding. */
export function sampleReport({
  layers = 2,
  gate = { defaults: 'error' },
  edit = (row) => row,
}: SampleOptions = {}): DiffReport {
  const names = ['eager', 'sdpa', 'flash'];
  const rows = sampleRows(layers, names).map(edit);
  const batches = (['left', 'right'] as const).map((padding) => ({
    name: padding,
    padding,
    size: 4,
    length: 16,
    source: 'built-in',
    tokens: TOKENS[padding]!,
    sha256: (padding === 'left' ? 'b' : 'c').repeat(64),
  }));
  const implementations = [
    implementation(
      'eager',
      'MatMul → Add → Softmax → MatMul',
      'profile names /layers.0/eager/Softmax and 3 more nodes in every layer',
    ),
    implementation(
      'sdpa',
      'Attention (opset 23)',
      'profile names /layers.0/sdpa/Attention in every layer',
    ),
    implementation(
      'flash',
      'com.microsoft.GroupQueryAttention',
      'profile names /layers.0/flash/GroupQueryAttention in every layer',
    ),
  ];
  const found = findings(rows, batches, names, 'eager');
  return {
    schema: REPORT_SCHEMA,
    command: ['run', '--model', 'fixtures/eager/model.onnx'],
    configFile: null,
    configuration: null,
    model: {
      path: 'fixtures/eager/model.onnx',
      family: 'qwen2',
      layers,
      hiddenSize: 64,
      heads: 4,
      kvHeads: 2,
      headDim: 16,
      vocabSize: 384,
      exporter: 'pytorch 2.8.0',
      opset: 18,
      precision: 'fp32',
      attention: 'decomposed',
      notCompared: [],
      sinks: [],
      sha256: 'a'.repeat(64),
      activations: null,
    },
    environment: {
      attnDiff: '0.1.0',
      node: '20.19.0',
      onnxruntime: '1.30.0',
      platform: 'linux',
      arch: 'x64',
      cpu: 'AMD EPYC 7B13',
      gpu: null,
      cudaLibraries: null,
    },
    batches,
    implementations,
    reference: 'eager',
    precision: 'fp32',
    rebuild: {
      originalRelL2: 0,
      originalLimit: 1e-6,
      equivalent: 'eager',
      equivalentRelL2: 1.3e-7,
      equivalentLimit: 1e-5,
      nonFinite: 0,
      constant: [],
    },
    inputNotes: [],
    outputs: [
      {
        name: 'logits',
        type: 'float32',
        shape: ['batch_size', 'sequence_length', 384],
        kind: 'logits',
      },
    ],
    logits: { output: 'logits', width: 384, tokens: 'all' },
    file: {
      means: 'stands',
      label: 'original',
      stream: 'eager',
      obstacle: null,
      failure: null,
      batches: [],
      rows: [],
    },
    rows,
    effects: [],
    ranges: [],
    maps: [],
    explanations: [],
    recommendation: { training: 'eager', weights: 'eager', against: [] },
    findings: found,
    verdict: judge(
      {
        rows,
        effects: [],
        findings: found,
        implementations,
        reference: 'eager',
        precision: 'fp32',
      },
      gateOf(gate),
    ),
    baseline: null,
    shard: null,
    timing: { loadSeconds: 0.2, runSeconds: 1.5 },
  };
}

const SETTINGS: Record<string, string> = {
  eager: 'scores=fp32:softmax=fp32:fill=min:mask=additive:align=bottom-right',
  sdpa: 'mask=boolean:align=bottom-right',
  flash: '',
};

function implementation(
  name: string,
  kernel: string,
  evidence: string,
): DiffReport['implementations'][number] {
  return {
    name,
    asked: { provider: 'cpu', kernel: null },
    kernel,
    provider: 'cpu',
    precision: 'fp32',
    emulated: false,
    written: 'fp32',
    ran: ['fp32'],
    evidence,
    proof: 'confirmed',
    reason: null,
    failure: null,
    settings: SETTINGS[name]!,
    rounding: { local: 1e-5, accumulated: 1e-5 },
  };
}

function sampleRows(layers: number, names: readonly string[]): Row[] {
  const rows: Row[] = [];
  for (const batch of ['left', 'right']) {
    for (const name of names) {
      for (const kind of ['valid', 'padding', 'fullyMasked'] as const) {
        const tokens = TOKENS[batch]![kind];
        if (tokens === 0) continue;
        for (let layer = 0; layer < layers; layer++) {
          if (name !== 'eager')
            rows.push(
              sampleRow({ batch, layer, implementation: name, kind, tokens, scope: 'local' }),
            );
          rows.push(sampleRow({ batch, layer, implementation: name, kind, tokens }));
          rows.push(sampleRow({ batch, layer, implementation: name, kind, tokens, tap: 'hidden' }));
        }
        rows.push(
          sampleRow({ batch, layer: null, implementation: name, kind, tokens, tap: 'logits' }),
        );
      }
    }
  }
  return rows;
}

/** A row within rounding; exactly zero for eager; flash writes zeros on padding. */
export function sampleRow(row: Partial<Row>): Row {
  const size = { eager: 0, sdpa: 1, flash: 3 }[row.implementation ?? ''] ?? 1;
  const depth = 1 + (row.layer ?? 24);
  const error = size * (row.scope === 'local' ? 1e-7 : 1.37e-7 * depth);
  const isZeroed =
    row.implementation === 'flash' &&
    row.kind !== 'valid' &&
    (row.tap ?? 'attention') === 'attention';
  return {
    batch: 'left',
    layer: 0,
    tap: 'attention',
    scope: 'accumulated',
    implementation: 'sdpa',
    kind: 'valid',
    tokens: 41,
    maxAbs: isZeroed ? 0.517 : error,
    meanL2: isZeroed ? 0.94 : error * 3,
    relL2: isZeroed ? 1 : error / 2,
    meanCosine: isZeroed ? 0 : 1 - error / 9,
    minCosine: isZeroed ? 0 : 1 - error / 4,
    bias: 0 - error / 100,
    nan: 0,
    inf: 0,
    zeroRows: isZeroed ? (row.tokens ?? 41) : 0,
    firstToken: null,
    exactMaxAbs: 2e-7,
    exactRelL2: 1e-7,
    exactBias: 1e-9,
    ratioFp32: 1,
    ratioPlain: 1.05,
    ...row,
  };
}

/** Makes a row what a mask of −inf without a guard leaves: NaN on fully masked rows, then on all rows after layer 0. */
export function withoutGuard(row: Row): Row {
  if (row.implementation !== 'sdpa' || row.batch !== 'left') return row;
  const isHit = row.kind === 'fullyMasked' || (row.scope === 'accumulated' && row.layer !== 0);
  return isHit ? notANumber(row) : row;
}

export function notANumber(row: Row): Row {
  const width = row.tap === 'logits' ? 384 : 64;
  return {
    ...row,
    maxAbs: NaN,
    meanL2: NaN,
    relL2: NaN,
    meanCosine: NaN,
    minCosine: NaN,
    bias: NaN,
    exactMaxAbs: NaN,
    exactRelL2: NaN,
    exactBias: NaN,
    ratioFp32: NaN,
    ratioPlain: NaN,
    nan: row.tokens * width,
    zeroRows: 0,
    firstToken: 0,
  };
}

/** What the report of one of three parts says besides. */
export function sampleShard(index = 1): Shard {
  return {
    index,
    count: 3,
    batches: ['left', 'right'],
    data: 'd'.repeat(64),
    threads: 2,
    gate: gateOf(),
    answers: { origins: [], nodes: [], causes: [] },
  };
}

/** The model of the sample, as a report that did not run it tells it. */
export function sampleModel(): ModelInfo {
  const { sha256: _sha256, activations: _activations, ...model } = sampleReport().model;
  return model;
}

export function sampleInspection(layers = 24): Inspection {
  return {
    model: sampleModel(),
    inputs: [
      { name: 'input_ids', type: 'int64', shape: ['batch_size', 'sequence_length'] },
      { name: 'attention_mask', type: 'int64', shape: ['batch_size', 'sequence_length'] },
    ],
    inputNotes: [],
    outputs: [
      {
        name: 'logits',
        type: 'float32',
        shape: ['batch_size', 'sequence_length', 384],
        kind: 'logits',
      },
      {
        name: 'present.0.key',
        type: 'float32',
        shape: ['batch_size', 2, 'total_length', 16],
        kind: 'cache',
      },
    ],
    logits: { output: 'logits', width: 384, tokens: 'all' },
    externalData: ['model.onnx_data'],
    layers: Array.from({ length: layers }, (_, layer) => ({
      layer,
      form: 'decomposed',
      node: `/model/layers.${layer}/self_attn/Softmax`,
      mask: {
        form: 'additive',
        fill: layer < layers - 2 ? -Infinity : -3.4028234663852886e38,
        causal: true,
        padding: true,
        window: layer < layers - 1 ? null : 4096,
      },
      scale: 0.25,
      softmaxPrecision: 'fp32',
      nanGuard: false,
      checked: ['scale', 'rope', 'rope-theta', 'kv-heads', 'norm-epsilon'],
    })),
    findings: [
      {
        code: 'not-as-configured',
        aspect: 'scale',
        part: null,
        layers: [3],
        expected: 0.25,
        found: 0.5,
        against: 'config',
      },
    ],
    implementations: [
      { name: 'eager', buildable: true, reason: null },
      {
        name: 'flash',
        buildable: false,
        reason:
          'the sliding window of layer 23 reaches over padding, and GroupQueryAttention counts it from the right',
      },
    ],
  };
}
