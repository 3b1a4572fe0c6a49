import type { RunConfig } from '../config/index.js';
import { AttnDiffError } from '../errors.js';
import type { ModelConfig, TextTokenizer } from '../model/index.js';
import type { Batch } from '../types.js';
import { readMask, withMask } from './maskFile.js';
import { packRows } from './pack.js';
import { buildBatch, buildPackedBatch, type BatchOptions } from './pad.js';
import { checkPast } from './past.js';
import { beyondPositions, makeSequences } from './sequences.js';

type BatchConfig = Pick<
  RunConfig,
  'prompts' | 'padding' | 'length' | 'chat' | 'pack' | 'past' | 'mask' | 'batchSize'
>;
type ModelLimits = Pick<
  ModelConfig,
  'vocabSize' | 'maxPositions' | 'padTokenId' | 'eosTokenId' | 'heads' | 'isCausal'
>;

/** The rows that a file takes. */
export interface FileRows {
  /** Tokens of every row, where an input fixes them; else null. */
  length: number | null;
  /** That input, as an error names it. */
  input: string;
  /** Whether the file is told which tokens are padding; without, rows of different lengths are batches of their own. */
  padded: boolean;
}

const ANY_ROWS: FileRows = { length: null, input: '', padded: true };

/**
 * Makes the run's batches: one per padding side, in the order asked for, with the same sequences in the same order,
 * named after its side; of `--data`, one for every batchSize rows, numbered from 1. With `pack` the prompts are the
 * documents of longer rows; with `past` every batch is split into prefill and decode; with `mask` every batch is
 * under that mask. Of a file that fixes the length of its rows all have that one; of a file without a mask none is padded.
 *
 * @param tokenizer may be null for random prompts only; their padding token then is config.json's, else its
 *   eos token, else 0
 * @throws AttnDiffError bad-option (--length, --random or --past that do not fit model or prompts), token-out-of-range,
 *   mask-unreadable, mask-invalid, mask-shape, and those of makeSequences
 */
export async function assembleBatches(
  config: BatchConfig,
  tokenizer: TextTokenizer | null,
  model: ModelLimits,
  rows: FileRows = ANY_ROWS,
): Promise<Batch[]> {
  checkRows(config, rows);
  const { past } = config;
  const length = rows.length ?? config.length;
  if (past > 0 && !model.isCausal)
    throw new AttnDiffError('bad-option', {
      option: '--past',
      value: `${past}`,
      problem:
        'this model attends in both directions (config.json), so that no token can be decoded before the others are there',
      remedy: 'a model that decodes, or leave it out',
    });
  if (config.length !== null && config.length > model.maxPositions)
    throw beyondPositions('--length', `${config.length}`, model.maxPositions);
  const mask = config.mask === null ? null : await readMask(config.mask);
  const { sequences, source } = await makeSequences(config, tokenizer, {
    ...model,
    maxPositions: Math.min(rows.length ?? Infinity, model.maxPositions),
  });
  const padTokenId = tokenizer?.padTokenId ?? model.padTokenId ?? model.eosTokenId ?? 0;
  if (padTokenId >= model.vocabSize)
    throw new AttnDiffError('token-out-of-range', { id: padTokenId, vocabSize: model.vocabSize });
  const build = config.pack
    ? packed(sequences, length, model.maxPositions)
    : padded(sequences, length);
  if (!rows.padded)
    return unpadded(sequences, config, rows, {
      padding: 'right',
      padTokenId,
      past,
      source,
      causal: model.isCausal,
    }).map((batch) => (mask === null ? batch : withMask(batch, mask, model.heads)));
  const groups =
    config.prompts.kind === 'data'
      ? grouped(build.rows, config.batchSize)
      : [{ name: null, from: 0, to: build.rows }];
  return groups.flatMap(({ name, from, to }) =>
    config.padding.map((padding) => {
      const batch = build.batch(from, to, {
        padding,
        padTokenId,
        past,
        source,
        name: name ?? padding,
        causal: model.isCausal,
      });
      if (past > 0) checkPast(batch);
      return mask === null ? batch : withMask(batch, mask, model.heads);
    }),
  );
}

/** @throws AttnDiffError bad-option for what the file's rows do not allow */
function checkRows({ length, pack }: BatchConfig, rows: FileRows): void {
  if (rows.length !== null && length !== null && length !== rows.length) {
    throw new AttnDiffError('bad-option', {
      option: '--length',
      value: `${length}`,
      problem: `${rows.input} takes rows of ${rows.length} tokens`,
      remedy: `it as ${rows.length}, or leave it out`,
    });
  }
  if (pack && !rows.padded)
    throw new AttnDiffError('bad-option', {
      option: '--pack',
      value: null,
      problem: 'the file takes no attention_mask, and packed rows end with padding',
      remedy: 'prompts without --pack',
    });
}

/** Batches without padding: of each group those rows that have the same length, named after it. */
function unpadded(
  sequences: readonly number[][],
  { prompts, batchSize, length: asked }: BatchConfig,
  rows: FileRows,
  options: Omit<BatchOptions, 'name'>,
): Batch[] {
  const cut = sequences.map((ids) => (asked === null ? ids : ids.slice(0, asked)));
  const short = cut.find((ids) => rows.length !== null && ids.length !== rows.length);
  if (short)
    throw new AttnDiffError('bad-option', {
      option: '--length',
      value: null,
      problem: `${rows.input} takes rows of ${rows.length} tokens, and the file no attention_mask, so that a row of ${short.length} cannot be padded`,
      remedy: `prompts of at least ${rows.length} tokens each, with --length ${rows.length}`,
    });
  const groups =
    prompts.kind === 'data'
      ? grouped(cut.length, batchSize)
      : [{ name: null, from: 0, to: cut.length }];
  return groups.flatMap(({ name, from, to }) => {
    const own = cut.slice(from, to);
    return [...new Set(own.map((ids) => ids.length))].map((length) => {
      const batch = buildBatch({
        ...options,
        name: `${name === null ? '' : `${name}-`}length-${length}`,
        sequences: own.filter((ids) => ids.length === length),
        length,
      });
      if (batch.past > 0) checkPast(batch);
      return batch;
    });
  });
}

/** How rows `from` to `to`, which is exclusive, become a batch. */
interface Build {
  rows: number;
  batch: (from: number, to: number, options: BatchOptions) => Batch;
}

function padded(sequences: readonly number[][], length: number | null): Build {
  return {
    rows: sequences.length,
    batch: (from, to, options) =>
      buildBatch({ ...options, sequences: sequences.slice(from, to), length }),
  };
}

/** Rows are twice as long as the longest prompt where no length was asked for. */
function packed(sequences: readonly number[][], asked: number | null, maxPositions: number): Build {
  const longest = sequences.reduce((most, ids) => Math.max(most, ids.length), 0);
  const length = asked ?? Math.min(2 * longest, maxPositions);
  const rows = packRows(sequences, length);
  return {
    rows: rows.length,
    batch: (from, to, options) =>
      buildPackedBatch({ ...options, rows: rows.slice(from, to), length }),
  };
}

function grouped(rows: number, size: number): { name: string; from: number; to: number }[] {
  return Array.from({ length: Math.ceil(rows / size) }, (_, i) => ({
    name: `${i + 1}`,
    from: i * size,
    to: Math.min((i + 1) * size, rows),
  }));
}
