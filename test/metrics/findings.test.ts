import { describe, expect, it } from 'vitest';
import { findings, ROUNDING } from '../../src/metrics/index.js';
import { ranksOf } from '../../src/metrics/order.js';
import type { Finding, Row } from '../../src/types.js';
import { notANumber, sampleReport, withoutGuard } from '../report/sample.js';

const BATCHES = [{ name: 'left' }, { name: 'right' }];
const ALL = ['eager', 'sdpa', 'flash'];

function rows(edit: (row: Row) => Row = (row) => row, layers = 4): Row[] {
  return sampleReport({ layers }).rows.map(edit);
}

function find(edit?: (row: Row) => Row, reference = 'eager', names = ALL): Finding[] {
  return findings(
    rows(edit).filter((row) => names.includes(row.implementation)),
    BATCHES,
    names,
    reference,
  );
}

function codes(found: readonly Finding[]): string[] {
  return found.map((finding) =>
    `${finding.code} ${'implementation' in finding ? finding.implementation : ''}`.trim(),
  );
}

const exact = { maxAbs: 0, meanL2: 0, relL2: 0, meanCosine: 1, minCosine: 1, bias: 0, zeroRows: 0 };

describe('findings', () => {
  it('finds rounding, and zeros on padding by design', () => {
    const found = find();
    expect(codes(found)).toEqual([
      'within-rounding sdpa',
      'within-rounding flash',
      'padding-by-design flash',
    ]);
    expect(found[2]).toEqual({
      code: 'padding-by-design',
      implementation: 'flash',
      zeroRows: 46,
      reference: 'eager',
      referenceZeroRows: 0,
      tokens: 46,
    });
    expect(found[0]).toMatchObject({ limit: ROUNDING.fp32, localRelL2: 5e-8 });
  });

  it('finds it also where it is the reference that writes zeros', () => {
    const found = find(undefined, 'flash');
    expect(found).toContainEqual({
      code: 'padding-by-design',
      implementation: 'sdpa',
      zeroRows: 0,
      reference: 'flash',
      referenceZeroRows: 46,
      tokens: 46,
    });
  });

  it('says nothing of padding where both write the same', () => {
    expect(codes(find((row) => ({ ...row, zeroRows: 0 })))).not.toContain(
      'padding-by-design flash',
    );
  });

  it('calls a stream identical only where every row of every kind is exactly zero', () => {
    const same = (row: Row): Row => ({ ...row, ...exact });
    expect(codes(find(same))).toEqual(['identical sdpa', 'identical flash']);
    const butPadding = find((row) =>
      row.implementation === 'sdpa' && row.kind === 'padding'
        ? { ...row, ...exact, maxAbs: 1e-9 }
        : same(row),
    );
    expect(codes(butPadding)).toEqual(['within-rounding sdpa', 'identical flash']);
  });

  it('never calls NaN streams identical, not even two that are NaN alike', () => {
    const found = find(
      (row) =>
        row.kind === 'fullyMasked' ? notANumber({ ...row, ...exact }) : { ...row, ...exact },
      'eager',
      ['eager', 'sdpa'],
    );
    expect(codes(found)).toEqual([
      'fully-masked-nan eager',
      'fully-masked-nan sdpa',
      'within-rounding sdpa',
    ]);
  });

  it('follows NaN from fully masked rows to valid tokens', () => {
    const found = find(withoutGuard);
    expect(codes(found)).toEqual([
      'fully-masked-nan sdpa',
      'within-rounding flash',
      'padding-by-design flash',
    ]);
    expect(found[0]).toEqual({
      code: 'fully-masked-nan',
      implementation: 'sdpa',
      layer: 0,
      batch: 'left',
      batches: 1,
      kind: 'fullyMasked',
      spreadsToValidAtLayer: 1,
    });
  });

  it('says so where the NaN of fully masked rows stays there', () => {
    const found = find((row) =>
      row.implementation === 'sdpa' && row.kind === 'fullyMasked' && (row.layer ?? 9) >= 2
        ? notANumber(row)
        : row,
    );
    expect(found[0]).toMatchObject({
      code: 'fully-masked-nan',
      layer: 2,
      spreadsToValidAtLayer: null,
    });
    expect(codes(found)).toContain('within-rounding sdpa');
  });

  it('does not blame fully masked rows for a NaN that began on valid tokens', () => {
    const found = find((row) => {
      const isHit =
        row.implementation === 'sdpa' && row.scope === 'accumulated' && row.batch === 'left';
      if (
        !isHit ||
        row.layer === 0 ||
        (row.layer === 1 && (row.tap === 'attention' || row.kind !== 'valid'))
      )
        return row;
      return notANumber(row);
    });
    expect(codes(found)).toEqual([
      'non-finite sdpa',
      'within-rounding flash',
      'padding-by-design flash',
    ]);
    expect(found[0]).toMatchObject({
      layer: 1,
      tap: 'hidden',
      scope: 'accumulated',
      batch: 'left',
      kind: 'valid',
      nan: 41 * 64,
    });
  });

  it('names both causes where valid tokens are NaN in the same layer as fully masked rows', () => {
    const found = find((row) =>
      row.implementation === 'sdpa' && row.scope === 'accumulated' && row.batch === 'left'
        ? notANumber(row)
        : row,
    );
    expect(codes(found).slice(0, 2)).toEqual(['fully-masked-nan sdpa', 'non-finite sdpa']);
    expect(found[1]).toMatchObject({ layer: 0, tap: 'attention', kind: 'valid' });
  });

  it('finds Inf on padding', () => {
    const found = find((row) =>
      row.implementation === 'sdpa' && row.kind === 'padding' && row.layer === 2
        ? { ...row, inf: 3 }
        : row,
    );
    expect(found[0]).toMatchObject({
      code: 'non-finite',
      implementation: 'sdpa',
      layer: 2,
      tap: 'attention',
      kind: 'padding',
      nan: 0,
      inf: 3,
    });
  });

  it('finds a NaN that only the local scope shows', () => {
    const found = find((row) =>
      row.implementation === 'flash' &&
      row.scope === 'local' &&
      row.kind === 'valid' &&
      row.layer === 3
        ? notANumber(row)
        : row,
    );
    expect(found[0]).toMatchObject({
      code: 'non-finite',
      implementation: 'flash',
      layer: 3,
      scope: 'local',
    });
    expect(codes(found)).not.toContain('within-rounding flash');
  });

  it('says that nothing can be held against a reference that is NaN', () => {
    const found = find((row) => {
      const isReferenceNaN =
        row.batch === 'left' &&
        row.kind === 'valid' &&
        row.scope === 'accumulated' &&
        row.layer !== 0;
      if (!isReferenceNaN) return row;
      return { ...notANumber(row), nan: row.implementation === 'eager' ? 64 : 0 };
    });
    expect(codes(found)).toEqual([
      'non-finite eager',
      'not-comparable sdpa',
      'not-comparable flash',
      'padding-by-design flash',
    ]);
    expect(found[1]).toMatchObject({
      reference: 'eager',
      layer: 1,
      tap: 'attention',
      batch: 'left',
    });
  });

  it('does not call a stream clean that is NaN where the reference is', () => {
    const found = find((row) =>
      row.batch === 'left' &&
      row.kind === 'valid' &&
      row.implementation !== 'flash' &&
      row.layer !== 0
        ? notANumber(row)
        : row,
    );
    expect(codes(found)).toEqual([
      'non-finite eager',
      'non-finite sdpa',
      'not-comparable flash',
      'within-rounding flash',
      'padding-by-design flash',
    ]);
  });

  it('does not blame a kernel for the NaN that it was given by the reference', () => {
    const found = find((row) => {
      const isReference = row.implementation === 'eager' && row.layer !== 0;
      const isGiven = row.scope === 'local' && row.layer !== null && row.layer >= 2;
      return row.batch === 'left' && row.kind === 'valid' && (isReference || isGiven)
        ? notANumber(row)
        : row;
    });
    expect(codes(found).filter((code) => code.startsWith('non-finite'))).toEqual([
      'non-finite eager',
    ]);
  });

  it('blames the first layer whose kernel parts by more than rounding', () => {
    const found = find((row) =>
      row.implementation === 'flash' &&
      row.scope === 'local' &&
      row.kind === 'valid' &&
      (row.layer ?? 0) >= 2
        ? { ...row, relL2: 1e-3 * row.layer!, firstToken: 5 }
        : row,
    );
    expect(found[0]).toEqual({
      code: 'local-divergence',
      implementation: 'flash',
      layer: 2,
      batch: 'left',
      relL2: 2e-3,
      limit: ROUNDING.fp32,
      firstToken: 5,
    });
    expect(codes(found)).not.toContain('propagation-only flash');
  });

  it.each([
    ['NaN', { nan: 1, inf: 0 }],
    ['Inf', { nan: 0, inf: 1 }],
  ])(
    'blames no layer for a difference that is infinite because of its own %s, but the next that is finite',
    (_, counts) => {
      const layers =
        (parted: number) =>
        (row: Row): Row => {
          if (row.implementation !== 'flash' || row.scope !== 'local' || row.kind !== 'valid')
            return row;
          return row.layer === 1
            ? { ...row, ...counts, relL2: Infinity }
            : row.layer === parted
              ? { ...row, relL2: 1e-3 }
              : row;
        };
      expect(find(layers(3))).toContainEqual(
        expect.objectContaining({
          code: 'local-divergence',
          implementation: 'flash',
          layer: 3,
          relL2: 1e-3,
        }),
      );
      expect(codes(find(layers(9)))).not.toContain('local-divergence flash');
    },
  );

  it('blames no layer where only the stream has parted', () => {
    const found = find((row) =>
      row.implementation === 'flash' && row.tap === 'logits' && row.kind === 'valid'
        ? { ...row, relL2: 3e-4 }
        : row,
    );
    expect(found[0]).toMatchObject({
      code: 'propagation-only',
      implementation: 'flash',
      accumulatedRelL2: 3e-4,
      layer: null,
      tap: 'logits',
    });
  });

  const parted = (row: Row): Row =>
    row.implementation === 'flash' && row.tap === 'logits' && row.kind === 'valid'
      ? { ...row, relL2: 3e-4 }
      : row;

  it.each<[string, string, (row: Row) => Row]>([
    ['are cleared where both are within rounding of exact', 'right', (row) => row],
    [
      'are not cleared where the implementation is not',
      'far-from-exact',
      (row) =>
        row.implementation === 'flash' &&
        row.scope === 'local' &&
        row.kind === 'valid' &&
        row.layer === 1
          ? { ...row, exactRelL2: 2e-5 }
          : row,
    ],
    [
      'are not cleared where the reference is not',
      'far-from-exact',
      (row) =>
        row.implementation === 'eager' &&
        row.tap === 'attention' &&
        row.kind === 'valid' &&
        row.layer === 1
          ? { ...row, exactRelL2: 2e-5 }
          : row,
    ],
    [
      'are not cleared where exact is NaN',
      'far-from-exact',
      (row) =>
        row.implementation === 'flash' && row.scope === 'local' && row.kind === 'valid'
          ? { ...row, exactRelL2: NaN }
          : row,
    ],
    [
      'are judged by attention, not by what layers make of it',
      'right',
      (row) => (row.tap === 'attention' ? row : { ...row, exactRelL2: 1 }),
    ],
  ])('kernels %s', (_, kernels, edit) => {
    expect(find((row) => edit(parted(row)))[0]).toMatchObject({
      code: 'propagation-only',
      implementation: 'flash',
      kernels,
    });
  });

  it.each([
    ['implementation', 'flash'],
    ['reference', 'eager'],
  ])("kernels are not cleared where the %s is the file's own nodes", (_, name) => {
    const own = rows(parted).map((row) =>
      row.implementation === name ? { ...row, implementation: 'original' } : row,
    );
    const found = findings(
      own,
      BATCHES,
      ALL.map((each) => (each === name ? 'original' : each)),
      name === 'eager' ? 'original' : 'eager',
    );
    expect(found[0]).toMatchObject({ code: 'propagation-only', kernels: 'own-nodes' });
  });

  it('takes the limit itself as rounding, for both scopes', () => {
    expect(
      codes(
        find((row) =>
          row.implementation === 'sdpa' && row.kind === 'valid'
            ? { ...row, relL2: ROUNDING.fp32 }
            : row,
        ),
      ),
    ).toContain('within-rounding sdpa');
  });

  it('does not judge by padding', () => {
    expect(codes(find((row) => (row.kind === 'valid' ? row : { ...row, relL2: 7 })))).toContain(
      'within-rounding sdpa',
    );
  });

  it('finds that nothing was compared', () => {
    expect(codes(find(undefined, 'eager', ['eager']))).toEqual(['nothing-compared']);
    const noValid = rows().filter((row) => row.kind !== 'valid');
    expect(codes(findings(noValid, BATCHES, ALL, 'eager'))).toEqual([
      'nothing-compared',
      'padding-by-design flash',
    ]);
  });
});

describe('the order of findings', () => {
  it('has what makes the rest meaningless first and what needs no action last, whatever second passes make of them', () => {
    const found = find((row) =>
      row.implementation === 'sdpa' && row.scope === 'local' && row.kind === 'valid'
        ? { ...row, relL2: 1 }
        : withoutGuard(row),
    );
    expect(codes(found)).toEqual([
      'fully-masked-nan sdpa',
      'local-divergence sdpa',
      'within-rounding flash',
      'padding-by-design flash',
    ]);
  });

  it('ranks every name once', () => {
    expect(ranksOf<'a' | 'b'>({ a: true, b: true })).toEqual({ a: 0, b: 1 });
    // @ts-expect-error -- what is missing from an order must not compile
    ranksOf<'a' | 'b'>({ a: true });
  });
});
