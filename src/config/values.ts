import { z } from 'zod';
import { HINTS, RANGES } from './hints.js';

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/** A path; nothing is opened. */
export const filePath = z.string().min(1, 'it is empty');

/** A decimal number between two finite limits, written out whole: `1e-3`, not `1abc`, `0x10` or `Infinity`. */
export function decimal(
  minimum: number,
  maximum: number,
  problem: string,
): z.ZodType<number, string> {
  return z
    .string()
    .refine((text) => DECIMAL.test(text), { error: 'it is not a number', abort: true })
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum, problem)
    .register(RANGES, { minimum, maximum, isWhole: false, problem });
}

/** A whole number between two limits, in digits only. */
export function integer(minimum: number, maximum: number): z.ZodType<number, string> {
  const problem = `it is not between ${minimum} and ${maximum}`;
  return z
    .string()
    .refine((text) => /^\d+$/.test(text), { error: 'it is not a whole number', abort: true })
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum, problem)
    .register(RANGES, { minimum, maximum, isWhole: true, problem });
}

/** One of a few words. */
export function word<const W extends string>(words: readonly W[]): z.ZodType<W, string> {
  const schema = z.string().transform((text, context) => {
    const found = words.find((candidate) => candidate === text);
    if (found !== undefined) return found;
    context.addIssue({
      code: 'custom',
      message: text === '' ? 'it is empty' : `${text} is not one of them`,
    });
    return z.NEVER;
  });
  return schema.register(HINTS, { words });
}

/** A list of values between commas; spaces around them do not count. */
export function list<T>(item: z.ZodType<T, string>): z.ZodType<T[], string> {
  return z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .pipe(z.array(item));
}
