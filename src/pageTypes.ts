/** What the page of an HTML report is handed: made by src/report, read in the browser by src/page. */
import type { TokenMap } from './types.js';

/** A column of a table. */
export interface PageColumn {
  /** Null where the values stand for themselves; else they are indices into this. */
  words: (string | null)[] | null;
  /** NaN and infinite numbers by name, as in the JSON report. */
  values: (number | string | null)[];
}

/** A table by columns, all of the same length. */
export interface PageTable {
  length: number;
  columns: Record<string, PageColumn>;
}

export const PAGE_TABLES = ['rows', 'effects', 'ranges', 'checks'] as const;
export type PageTableName = (typeof PAGE_TABLES)[number];

export interface PageData {
  reference: string;
  /** In the order of the report. */
  implementations: { name: string; rounding: { local: number; accumulated: number } }[];
  batches: string[];
  layers: number;
  tables: Record<PageTableName, PageTable>;
  /** Ranges of all batches together, the worst or the mean as in the text report; the columns are those of `ranges` without the batch. */
  overall: PageTable;
  /** `worst` is the stream that parts most on valid tokens. */
  maps: (TokenMap & { worst: number })[];
  /** The least and the largest byte of valid tokens in all maps that stands for a number other than 0; null where there is none. */
  mapBytes: [number, number] | null;
}

/** What is put into the page besides the report. */
export interface PageAssets {
  /** The browser's script, as one text. */
  script: string;
  style: string;
}
