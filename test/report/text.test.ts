import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { FORMATS } from '../../src/report/index.js';
import { displayWidth } from '../../src/report/text/width.js';
import type { DiffReport } from '../../src/types.js';
import { notANumber, sampleReport, sampleRow, withoutGuard } from './sample.js';

const plain = { width: 130, color: false };
const WIDTHS = [60, 72, 80, 100, 120, 200];

const BROKEN = sampleReport({
  layers: 6,
  edit: withoutGuard,
  gate: { failOn: 'nan', maxAbs: 1e-6, minCosine: 0.9999999 },
});

const REPORTS: Record<string, DiffReport> = {
  clean: sampleReport(),
  long: sampleReport({ layers: 24 }),
  broken: BROKEN,
  'long names, broken': renamed(sampleReport({ layers: 12, edit: withoutGuard })),
  'long names': {
    ...renamed(sampleReport()),
    model: { ...sampleReport().model, path: `/very/${'long'.repeat(50)}/模型/model.onnx` },
  },
};

function renamed(report: DiffReport): DiffReport {
  const longer = (name: string): string => (name === 'sdpa' ? 'original#12' : name);
  return {
    ...report,
    implementations: report.implementations.map((info) => ({ ...info, name: longer(info.name) })),
    rows: report.rows.map((row) => ({ ...row, implementation: longer(row.implementation) })),
  };
}

function lines(report: DiffReport, options = plain): string[] {
  return FORMATS.text(report, options).split('\n');
}

describe('text report', () => {
  it.each([60, 80, 120])('is what a reader has approved of, %i columns wide', async (width) => {
    await expect(FORMATS.text(sampleReport(), { width, color: false })).toMatchFileSnapshot(
      `golden/clean-${width}.txt`,
    );
    await expect(FORMATS.text(BROKEN, { width, color: false })).toMatchFileSnapshot(
      `golden/broken-${width}.txt`,
    );
  });

  it.each(Object.keys(REPORTS))('fits the terminal: %s', (name) => {
    for (const width of WIDTHS) {
      for (const color of [false, true]) {
        const all = lines(REPORTS[name]!, { width, color });
        expect(all.filter((line) => displayWidth(line) > width)).toEqual([]);
        expect(all.filter((line) => line !== line.trimEnd())).toEqual([]);
      }
    }
  });

  it('sets off without colour what rounding does not explain, and which layer does it', () => {
    const report = sampleReport({
      layers: 3,
      edit: (row) =>
        row.implementation !== 'flash' ||
        row.kind !== 'valid' ||
        row.layer === 0 ||
        (row.layer === 2 && row.scope === 'local')
          ? row
          : { ...row, relL2: 2e-5 },
    });
    const mark = (implementation: string): string[] =>
      lines(report, { width: 120, color: false })
        .join('\n')
        .split('Batch right')[0]!
        .split('\n')
        .filter(
          (line) =>
            /─|e-/.test(line) && line.includes(` ${implementation} `) && !line.includes('✓'),
        )
        .map((line) => /◀.*$/.exec(line)?.[0] ?? '');
    expect(mark('flash')).toEqual(['', '', '◀ local', '◀', '◀', '◀', '◀']);
    expect(mark('sdpa')).toEqual(['', '', '', '', '', '', '']);
    expect(FORMATS.text(report, { width: 120, color: false })).toContain(
      '◀: more than rounding explains',
    );
    expect(FORMATS.text(sampleReport(), { width: 120, color: false })).not.toContain('◀');
  });

  it('judges each implementation by what rounding explains of it', () => {
    const report = sampleReport({
      edit: (row) =>
        row.kind === 'valid' && row.implementation !== 'eager' ? { ...row, relL2: 0.001 } : row,
    });
    const infos = report.implementations.map((info) =>
      info.name === 'flash'
        ? { ...info, precision: 'bf16' as const, rounding: { local: 0.0156, accumulated: 0.0156 } }
        : info,
    );
    const marked = lines(
      { ...report, implementations: infos },
      { width: 120, color: false },
    ).filter((line) => line.includes('◀') && !line.includes('rounding'));
    expect(marked.length).toBeGreaterThan(0);
    expect(marked.every((line) => line.includes(' sdpa '))).toBe(true);
  });

  it('survives a width that is none', () => {
    for (const width of [0, NaN, -1, Infinity])
      expect(lines(sampleReport(), { width, color: false }).length).toBeGreaterThan(20);
  });

  it('writes colour codes only where asked, and nothing else changes', () => {
    const colored = FORMATS.text(BROKEN, { width: 100, color: true });
    const uncolored = FORMATS.text(BROKEN, { width: 100, color: false });
    expect(colored).toContain('\u001B[');
    expect(uncolored).not.toContain('\u001B');
    expect(stripVTControlCharacters(colored)).toBe(uncolored);
  });

  it('shows NaN in red', () => {
    expect(FORMATS.text(BROKEN, { width: 120, color: true })).toContain('\u001B[31m\u001B[1mNaN');
  });

  it('passes no escape sequence of a model on to the terminal', () => {
    const report = sampleReport();
    report.model.path = 'a\u001B[2Jb\nc';
    report.batches[0]!.source = '\u0007bell';
    const text = FORMATS.text(report, plain);
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    expect(text).toContain('ab c');
  });

  it('says which columns it left out', () => {
    expect(lines(sampleReport(), { width: 60, color: false }).join(' ')).toMatch(
      /Left out to fit: .*bias.*--format json/,
    );
    expect(FORMATS.text(sampleReport(), plain)).not.toContain('Left out');
  });

  it('has a line for each layer, tap and implementation but the reference, once per batch', () => {
    const rows = lines(sampleReport({ layers: 3 })).filter(
      (line) => /(sdpa|flash) .*e-\d/.test(line) && !line.startsWith('✓'),
    );
    expect(rows).toHaveLength(2 * (3 * 2 + 1) * 2);
  });

  it('writes – where a place has no local row', () => {
    const all = lines(sampleReport());
    expect(all[all.findIndex((line) => line.includes('logits')) + 1]).toMatch(/sdpa\s+–\s+–\s+\d/);
  });

  it('counts the values in which no NaN was found', () => {
    const report = sampleReport();
    const perToken = { attention: 64, hidden: 64, logits: 384 };
    const looked = report.rows.reduce((sum, row) => sum + row.tokens * perToken[row.tap], 0);
    expect(FORMATS.text(report, plain)).toContain(
      `None in ${looked.toLocaleString('en-US')} values`,
    );
  });

  it('marks the first place of NaN, and no other', () => {
    const marked = lines(BROKEN).filter((line) => line.includes('◀ first'));
    expect(marked).toHaveLength(1);
    expect(marked[0]).toMatch(/sdpa\s+0\s+attention\s+fully masked\s+1,472\s+0\s+1,472/);
  });

  it('joins layers that say the same, and no others', () => {
    const table = lines(BROKEN).join('\n');
    expect(table).toMatch(/1–5\s+attention\s+valid\s+2,624/);
    const uneven = sampleReport({
      layers: 6,
      edit: (row) =>
        row.layer === 3 && row.implementation === 'sdpa' && row.tap === 'hidden'
          ? { ...row, nan: 1 }
          : withoutGuard(row),
    });
    expect(lines(uneven).join('\n')).toMatch(/1–2\s+hidden\s+valid\s+2,624/);
  });

  it('does not join different kinds of token', () => {
    const parted = sampleReport({
      layers: 3,
      edit: (row) => {
        const isHit =
          row.implementation === 'sdpa' &&
          row.batch === 'right' &&
          row.tap === 'hidden' &&
          ((row.layer === 0 && row.kind === 'valid') ||
            (row.layer === 1 && row.kind === 'valid') ||
            (row.layer === 2 && row.kind === 'padding'));
        return isHit ? { ...row, nan: 7 } : row;
      },
    });
    expect(FORMATS.text(parted, plain)).toMatch(
      /1\s+hidden\s+valid\s+7 [^]*2\s+hidden\s+padding\s+7 /,
    );
  });

  it('shows a NaN that only the local scope has', () => {
    const local = sampleReport({
      edit: (row) =>
        row.scope === 'local' &&
        row.layer === 1 &&
        row.kind === 'valid' &&
        row.implementation === 'flash'
          ? notANumber(row)
          : row,
    });
    expect(FORMATS.text(local, plain)).toMatch(/flash\s+1\s+attention\s+local\s+valid/);
  });

  it('says where layers differ in what they write on padding', () => {
    const uneven = sampleReport({
      layers: 3,
      edit: (row) =>
        row.layer === 1 && row.implementation === 'flash' ? { ...row, zeroRows: 5 } : row,
    });
    expect(FORMATS.text(uneven, plain)).toMatch(
      /flash\s+23\s+5–23\s+0–18\s+differ; all zero in 2 of 3/,
    );
  });

  it('says that no batch has padding', () => {
    const report = sampleReport();
    report.rows = report.rows.filter((row) => row.kind === 'valid');
    expect(FORMATS.text(report, plain)).toContain('No batch has padding tokens.');
  });

  it('gives each failing check with the limit that would pass', () => {
    const text = lines(BROKEN, { width: 2000, color: false }).join(' ').replaceAll(/\s+/g, ' ');
    expect(text).toContain('FAILED:');
    expect(text).toMatch(/non-finite, sdpa: 41,984 NaN or Inf elements .* layer 1, attention/);
    expect(text).toMatch(
      /max-abs, flash: max\|Δ\| is 1.03e-5 at logits, accumulated, batch left; the limit is 1e-6. Smallest limit that passes: --max-abs 1.0274999999999999e-5. Again: attn-diff run --model fixtures\/eager\/model.onnx --impl flash --padding left/,
    );
    expect(text).toMatch(
      /min-cosine, flash: .* Largest limit that passes: --min-cosine 0.99999743125/,
    );
    expect(text).toMatch(/max-abs, sdpa: max\|Δ\| is NaN .* No limit lets NaN or Inf pass/);
  });

  it('says that no threshold was set, and does not where one was', () => {
    expect(FORMATS.text(sampleReport({ gate: {} }), plain)).toMatch(
      /PASSED: [^]*No threshold was set/,
    );
    expect(FORMATS.text(sampleReport({ gate: { maxAbs: 1 } }), plain)).not.toContain(
      'No threshold',
    );
  });

  it('does not hide a fault behind a gate that was passed', () => {
    const faulty = sampleReport({
      edit: (row) =>
        row.scope === 'local' && row.implementation === 'flash' && row.kind === 'valid'
          ? { ...row, relL2: 5e-5 }
          : row,
    });
    expect(faulty.verdict.passed).toBe(true);
    expect(FORMATS.text(faulty, plain)).toMatch(
      /PASSED the gate, yet look at this: flash parted from eager at layer 0/,
    );
  });

  it('leaves the divergence table out where there is only the reference', () => {
    const alone = {
      ...sampleReport(),
      rows: [sampleRow({ implementation: 'eager' })],
      findings: [{ code: 'nothing-compared' as const, constant: [] }],
    };
    expect(FORMATS.text(alone, plain)).not.toContain('Divergence from');
  });
});

describe('many implementations with settings', () => {
  it('have a title that is broken like all else, and a failed one has no provider', () => {
    const report = sampleReport();
    const names = [
      'eager',
      'flash@webgpu:kernel=varlen',
      'flash@webgpu:precision=fp16',
      'sdpa@webgpu:kernel=mha',
      'flash:kernel=naive',
    ];
    const implementations = names.map((name, i) => ({
      ...report.implementations[0]!,
      name,
      provider: i === 1 ? 'unknown' : 'cpu',
    }));
    const printed = lines({ ...report, implementations }, { width: 60, color: false });
    expect(printed.slice(0, 2).join(' ').replaceAll(/\s+/g, ' ')).toContain(
      'flash@webgpu:kernel=varlen, flash@webgpu:precision=fp16',
    );
    for (const line of printed.slice(0, 4)) expect(line.length).toBeLessThanOrEqual(60);
    expect(printed.find((line) => line.startsWith('Provider'))).not.toContain('unknown');
  });
});
