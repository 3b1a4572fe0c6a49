import type { PageTableName } from '../pageTypes.js';
import {
  formatCosine,
  formatCount,
  formatLimit,
  formatNumber,
  formatSigned,
} from '../report/text/number.js';
import type { Value } from './decode.js';

export interface ColumnSpec {
  name: string;
  head: string;
  /** Numbers stand right; words can be chosen from. */
  kind: 'words' | 'number';
  text: (value: Value) => string;
}

const NONE = '–';

const words = (name: string, head = name): ColumnSpec => ({
  name,
  head,
  kind: 'words',
  text: (value) =>
    value === null ? NONE : value === 'fullyMasked' ? 'fully masked' : String(value),
});
const number = (
  name: string,
  head: string,
  format: (value: number) => string = formatNumber,
): ColumnSpec => ({
  name,
  head,
  kind: 'number',
  text: (value) => (value === null ? NONE : format(Number(value))),
});
const layer: ColumnSpec = {
  ...number('layer', 'layer', String),
  text: (value) => (value === null ? 'logits' : String(value)),
};

/** The columns of each table, in the order in which they are shown. */
export const TABLE_COLUMNS: Readonly<Record<PageTableName, readonly ColumnSpec[]>> = {
  rows: [
    words('batch'),
    layer,
    words('tap'),
    words('scope'),
    words('implementation'),
    words('kind'),
    number('tokens', 'tokens', formatCount),
    number('maxAbs', 'max|Δ|'),
    number('meanL2', 'mean L2'),
    number('relL2', 'rel L2'),
    number('minCosine', 'min cosine', formatCosine),
    number('bias', 'bias', formatSigned),
    number('nan', 'NaN', formatCount),
    number('inf', 'Inf', formatCount),
    number('zeroRows', 'zero rows', formatCount),
    number('firstToken', 'first token', String),
    number('exactMaxAbs', 'exact max|Δ|'),
    number('exactRelL2', 'exact rel L2'),
    number('exactBias', 'exact bias', formatSigned),
    number('ratioFp32', '× fp32'),
    number('ratioPlain', '× plain'),
  ],
  effects: [
    words('batch'),
    words('implementation'),
    number('targets', 'targets', formatCount),
    number('loss', 'loss'),
    number('perplexity', 'perplexity'),
    number('kl', 'KL'),
    number('flips', 'flips', formatCount),
  ],
  ranges: [
    words('batch'),
    number('layer', 'layer', String),
    {
      ...number('head', 'head', String),
      text: (value) => (value === null ? 'all' : String(value)),
    },
    number('maxScore', 'max|QKᵀ|'),
    number('scaledScore', 'S max'),
    number('headroom', 'fp16 headroom'),
    number('maxKey', 'max|K|'),
    number('entropy', 'entropy'),
    number('weightsL2', '‖p‖₂'),
    number('rowSumError', 'max|Σp−1|'),
    number('underflow', 'underflow'),
  ],
  checks: [
    words('passed', 'outcome'),
    words('check'),
    words('implementation'),
    words('place'),
    number('actual', 'value', (value) =>
      Number.isInteger(value) ? formatCount(value) : formatNumber(value),
    ),
    words('operator'),
    number('expected', 'limit', formatLimit),
    words('source', 'set by'),
  ],
};

/** Words by which a table can be narrowed. */
export const FILTERS: Readonly<Record<PageTableName, readonly string[]>> = {
  rows: ['batch', 'tap', 'scope', 'implementation', 'kind'],
  effects: ['batch', 'implementation'],
  ranges: ['batch'],
  checks: ['passed', 'check', 'implementation'],
};
