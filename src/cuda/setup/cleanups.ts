/** What is undone however the work ends; each step is synchronous, so that it is done on Ctrl-C. */
export interface Cleanups {
  /** @returns a function that takes the step off again, as when its work has come about */
  add(step: () => void): () => void;
  /** Does all steps, the latest first. */
  run(): void;
}

export function cleanups(): Cleanups {
  const steps = new Set<() => void>();
  return {
    add: (step) => {
      steps.add(step);
      return () => void steps.delete(step);
    },
    run: () => {
      for (const step of [...steps].toReversed()) {
        steps.delete(step);
        step();
      }
    },
  };
}
