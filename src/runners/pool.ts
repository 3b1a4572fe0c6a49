import { AttnDiffError } from '../errors.js';
import type { Runner, RunnerPlace, Runners } from './types.js';

/** Runners made as they are asked for, until they are stopped: one for each place, shared by all that ask for that place, and fresh ones besides. */
export function pooled(make: (place: Partial<RunnerPlace>) => Runner): Runners {
  const shared = new Map<string, Runner>();
  const all: Runner[] = [];
  let isStopped = false;
  const fresh: Runners['fresh'] = (place) => {
    if (isStopped) throw new AttnDiffError('interrupted', { kept: null });
    const runner = make(place);
    all.push(runner);
    return runner;
  };
  return {
    fresh,
    at: (place) => {
      const key = placeKey(place);
      const known = shared.get(key);
      if (known && !known.hasEnded()) return known;
      const made = fresh(place);
      shared.set(key, made);
      return made;
    },
    stop: () => {
      isStopped = true;
      for (const runner of all) runner.stop();
    },
  };
}

/** The same for the same place. */
export function placeKey({
  provider = 'cpu',
  environment = {},
  group = '',
  timeout = null,
}: Partial<RunnerPlace>): string {
  return JSON.stringify([provider, Object.entries(environment).toSorted(), group, timeout]);
}
