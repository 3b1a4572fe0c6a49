import type { HistoryImplementation, HistoryMark, HistoryPlace, HistoryRun } from '../../types.js';

/**
 * The runs at which something turned, in their order: the set-up, the verdict, and for each implementation the first
 * run in which it had NaN or Inf, parted from the reference by more than rounding explains, or did not run to its end.
 * What was so in the first run of all is marked there. A distance that is NaN because the implementation has NaN, or
 * the reference, is that and no mark of its own.
 */
export function historyMarks(runs: readonly HistoryRun[]): HistoryMark[] {
  const seen = new Set<string>();
  const isNew = (offence: Offence, name: string): boolean => {
    const { size } = seen;
    return (
      seen.add(JSON.stringify([name, { ...offence, inherited: false }])).size > size &&
      !offence.inherited
    );
  };
  return runs.flatMap((current, run) => {
    const before = runs[run - 1];
    const isReferenceFinite =
      current.implementations.find(({ name }) => name === current.reference)?.nonFinite === 0;
    return [
      ...(before && before.setup !== current.setup ? [{ kind: 'setup', run } as const] : []),
      ...current.implementations.flatMap((implementation) =>
        offences(implementation, isReferenceFinite)
          .filter((offence) => isNew(offence, implementation.name))
          .map(({ inherited: _, ...offence }) => ({
            ...offence,
            run,
            implementation: implementation.name,
          })),
      ),
      ...(before && before.passed !== current.passed
        ? [{ kind: 'verdict', run, passed: current.passed } as const]
        : []),
    ];
  });
}

/** `inherited`: it follows from another that is told. */
type Offence = { inherited: boolean } & (
  { kind: 'failed' | 'non-finite' } | { kind: 'beyond-rounding'; scope: 'local' | 'accumulated' }
);

function offences(
  { failure, nonFinite, ...places }: HistoryImplementation,
  isReferenceFinite: boolean,
): Offence[] {
  const beyond = (scope: 'local' | 'accumulated'): Offence[] => {
    const inherited = Number.isNaN(places[scope]?.relL2) && (nonFinite !== 0 || !isReferenceFinite);
    return isBeyond(places[scope]) ? [{ kind: 'beyond-rounding', scope, inherited }] : [];
  };
  return [
    ...(failure === null ? [] : [{ kind: 'failed', inherited: false } as const]),
    // Not `> 0`: a count that is NaN itself is an offence too.
    ...(nonFinite === 0 ? [] : [{ kind: 'non-finite', inherited: false } as const]),
    ...beyond('local'),
    ...beyond('accumulated'),
  ];
}

/** Whether the two part by more than rounding explains; NaN is more than anything. */
export function isBeyond(place: HistoryPlace | null): boolean {
  return place !== null && !(place.relL2 <= place.limit);
}
