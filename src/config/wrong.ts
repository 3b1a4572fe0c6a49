import type { z } from 'zod';
import { keysAt } from './fileSchema.js';
import { RUN_OPTIONS } from './runOptions.js';
import { suggestion } from './suggestion.js';

/** `budgets[2].layers` */
export function keyText(key: readonly PropertyKey[]): string {
  return key.reduce<string>(
    (text, part) =>
      typeof part === 'number'
        ? `${text}[${part}]`
        : text === ''
          ? String(part)
          : `${text}.${String(part)}`,
    '',
  );
}

/** What is wrong, and where. */
export interface Wrong {
  key: readonly PropertyKey[];
  problem: string;
}

/** What the schema of a configuration found wrong: of a value that may be of several kinds, what is wrong with the kind that it is. */
export function wrongIn(issue: z.core.$ZodIssue): Wrong {
  if (issue.code === 'invalid_union') {
    const inner = issue.errors
      .map((issues) => issues[0]!)
      .toSorted((a, b) => b.path.length - a.path.length)[0];
    if (inner && inner.path.length > 0)
      return wrongIn({ ...inner, path: [...issue.path, ...inner.path] });
    const kinds = issue.errors.flatMap(([first]) =>
      first?.code === 'invalid_type' ? [first.expected] : [],
    );
    const value = issue.errors.flatMap(([first]) =>
      first && first.code !== 'invalid_type' ? [first.message] : [],
    );
    return { key: issue.path, problem: value[0] ?? `it is neither ${kinds.join(' nor ')}` };
  }
  if (issue.code === 'unrecognized_keys')
    return { key: [...issue.path, issue.keys[0]!], problem: noSuchKey(issue.keys[0]!, issue.path) };
  return { key: issue.path, problem: issue.message };
}

function noSuchKey(key: string, place: readonly PropertyKey[]): string {
  if (place.length === 0 && Object.hasOwn(RUN_OPTIONS, key))
    return `it is about one run alone: give ${RUN_OPTIONS[key as keyof typeof RUN_OPTIONS].flag}`;
  const meant = suggestion(key, keysAt(place));
  return `there is no such key${meant === null ? '' : ` (did you mean ${meant}?)`}`;
}
