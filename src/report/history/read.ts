import { z } from 'zod';
import { parseBoundedJson } from '../../boundedJson.js';
import { AttnDiffError } from '../../errors.js';
import { HISTORY_RUN_SCHEMA, type HistoryRun } from '../../types.js';
import { historyRunSchema } from './schema.js';

/** How every line begins. */
const BEGIN = `{"schema":"${HISTORY_RUN_SCHEMA}"`;

/** What a history holds. */
export interface HistoryFile {
  runs: HistoryRun[];
  /** Numbers, from 1, of lines that were cut off while they were written: they hold no run. */
  torn: number[];
}

/**
 * Reads a history: a run a line, and empty lines. A line that begins as a run and is no JSON was cut off, by a full
 * disk or a machine that went down.
 *
 * @param path the file that it came from, for the error
 * @throws AttnDiffError history-unreadable: no line holds a run, or one holds something else
 */
export function readHistory(text: string, path: string): HistoryFile {
  const runs: HistoryRun[] = [];
  const torn: number[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const document = parse(line);
    if (document !== undefined) runs.push(decode(document, path, i + 1));
    else if (line.startsWith(BEGIN) || BEGIN.startsWith(line)) torn.push(i + 1);
    else
      throw new AttnDiffError('history-unreadable', {
        path,
        line: i + 1,
        problem: 'it is no JSON',
      });
  }
  if (runs.length === 0)
    throw new AttnDiffError('history-unreadable', {
      path,
      line: null,
      problem: torn.length > 0 ? 'every line was cut off while it was written' : 'it holds no run',
    });
  return { runs, torn };
}

function parse(line: string): unknown {
  try {
    return parseBoundedJson(line);
  } catch {
    return undefined;
  }
}

function decode(document: unknown, path: string, line: number): HistoryRun {
  const refused = (problem: string): AttnDiffError =>
    new AttnDiffError('history-unreadable', { path, line, problem });
  const schema = (document as { schema?: unknown } | null)?.schema;
  if (schema !== HISTORY_RUN_SCHEMA)
    throw refused(
      `its schema is ${typeof schema === 'string' ? schema : 'not named'}, not ${HISTORY_RUN_SCHEMA}`,
    );
  const read = z.safeDecode(historyRunSchema, document as z.input<typeof historyRunSchema>);
  if (read.success) {
    const problem = runProblem(read.data);
    if (problem !== null) throw refused(problem);
    return read.data;
  }
  const [issue] = read.error.issues;
  throw refused(
    `${issue?.path.join('.') || 'the line'}: ${issue?.message ?? 'it is not as the schema says'}`,
  );
}

/** What is wrong with a run though its schema allows it; null where nothing is. */
function runProblem({ passed, failedChecks, implementations }: HistoryRun): string | null {
  const names = implementations.map(({ name }) => name);
  const again = names.find((name, i) => names.indexOf(name) !== i);
  if (again !== undefined) return `${again} is there twice`;
  const flipped = implementations.find(({ effect }) => effect && effect.flips > effect.targets);
  if (flipped) return `${flipped.name} has more flips than targets`;
  return passed === (failedChecks === 0)
    ? null
    : `it has ${passed ? 'passed' : 'failed'} with ${failedChecks} failed checks`;
}
