import { decodeModel } from '../../src/onnx/read.js';
import type { AttnDiffError } from '../../src/errors.js';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import { pooled } from '../../src/runners/pool.js';
import type { Runners } from '../../src/runners/types.js';

/** What a session meets that holds nodes of a stream: at which of its runs, counted from 0, and how it ends. */
export interface Trouble {
  /** The stream's label. */
  stream: string;
  /** −1 ends it when it is opened. */
  run: number;
  /** Whether it ends in the head's session, counted there, rather than in the one before. */
  head?: true;
  error: AttnDiffError;
}

/**
 * Runners that end, with all of their sessions, when they come to a stream that is in trouble, as a process does that
 * crashes: nothing that is asked of them afterwards succeeds.
 */
export function failingRunners(troubles: readonly Trouble[]): Runners {
  return pooled(({ provider = 'cpu' }) => {
    const inner = inProcessRunner(provider);
    let body = new Set<string>();
    let ended: AttnDiffError | null = null;
    const check = (trouble: Trouble | undefined): void => {
      ended ??= trouble?.error ?? null;
      if (ended) throw ended;
    };
    return {
      ...inner,
      hasEnded: () => ended !== null,
      open: async (request, stage) => {
        const labels = 'bytes' in request.model ? labelsIn(request.model.bytes) : new Set<string>();
        const isHead = stage === HEAD_STAGE;
        if (labels.size > 1) body = labels;
        const own = troubles.filter(
          ({ stream, head = false }) => head === isHead && (isHead ? body : labels).has(stream),
        );
        check(own.find(({ run }) => run === -1));
        const session = await inner.open(request, stage);
        let runs = 0;
        return {
          ...session,
          run: async (feeds) => {
            const now = runs++;
            check(own.find(({ run }) => run === now));
            return session.run(feeds);
          },
        };
      },
    };
  });
}

const HEAD_STAGE = 'running the language-model head';

/** Labels of the streams whose attention is in a rebuilt model. */
function labelsIn(bytes: Uint8Array): Set<string> {
  const names = decodeModel(bytes, 'model').graph!.node.map(
    ({ name }) => /^attn_diff\/layer0\/([^/]+)\//.exec(name)?.[1] ?? '',
  );
  return new Set(names);
}
