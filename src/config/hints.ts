import { z } from 'zod';

/** What a value may be, where that can be listed: what shells complete it to. Other values may be allowed besides. */
export interface ValueHint {
  words: readonly string[];
  /** Whether several may be given, between commas. */
  isList: boolean;
  /** Whether a word may be followed by `=` and a file. */
  takesFile: boolean;
}

/** The words that a schema knows, and whether a file may follow them. */
export const HINTS = z.registry<{ words: readonly string[]; takesFile?: true }>();

/** What a number may be; both ends are included. */
export interface Range {
  minimum: number;
  maximum: number;
  isWhole: boolean;
  /** What is said of one outside. */
  problem: string;
}

/** The numbers that a schema takes. */
export const RANGES = z.registry<Range>();

/** Finds, inside of whatever wraps it (optional, a default, a pipe), what a number may be; null where nothing is known. */
export function rangeOf(schema: z.core.$ZodType): Range | null {
  const found = RANGES.get(schema);
  if (found) return found;
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault)
    return rangeOf(schema.unwrap());
  return schema instanceof z.ZodPipe ? (rangeOf(schema.out) ?? rangeOf(schema.in)) : null;
}

/** Finds, inside of whatever wraps it (optional, a default, a pipe, a list), what is known of a value; null where nothing is. */
export function valueHint(schema: z.core.$ZodType): ValueHint | null {
  const found = HINTS.get(schema);
  if (found) return { words: found.words, isList: false, takesFile: found.takesFile ?? false };
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault
  )
    return valueHint(schema.unwrap());
  if (schema instanceof z.ZodArray) return valueHint(schema.element);
  if (!(schema instanceof z.ZodPipe)) return null;
  const hint = valueHint(schema.out) ?? valueHint(schema.in);
  // What is an array once it is parsed was a text with commas.
  return hint && { ...hint, isList: hint.isList || schema.out instanceof z.ZodArray };
}
