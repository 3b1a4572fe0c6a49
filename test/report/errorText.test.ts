import { describe, expect, it } from 'vitest';
import {
  AttnDiffError,
  ERROR_CODES,
  EXIT,
  type ErrorArgs,
  type ErrorCode,
} from '../../src/errors.js';
import { ERRORS } from '../../src/errors/table.js';
import { errorText } from '../../src/report/index.js';
import { printable } from '../../src/report/text/width.js';

/** Arguments for every code; each text has a line end and an escape sequence in it. */
const ARGS: ErrorArgs = {
  usage: { problem: nasty('problem'), command: 'attn-diff run' },
  'bad-option': {
    option: '--max-abs',
    value: nasty('value'),
    problem: nasty('problem'),
    remedy: nasty('remedy'),
  },
  'unknown-implementation': { option: '--impl', value: nasty('value') },
  'prompts-unreadable': { path: nasty('path'), problem: nasty('problem') },
  'prompts-empty': { path: nasty('path') },
  'prompts-not-utf8': { path: nasty('path') },
  'prompts-bad-jsonl': { path: nasty('path'), line: 7, problem: nasty('problem') },
  'prompt-no-tokens': { prompt: nasty('prompt') },
  'prompt-too-long': { prompt: nasty('prompt'), tokens: 600, limit: 512 },
  'prompt-too-large': { prompt: nasty('prompt'), characters: 5e7, most: 4e6 },
  'mask-unreadable': { path: nasty('path'), problem: nasty('problem') },
  'mask-invalid': { path: nasty('path'), problem: nasty('problem') },
  'mask-shape': { path: nasty('path'), found: '[1]', needed: '[2]', batch: 'left' },
  'tokenizer-missing': { folder: nasty('folder') },
  'tokenizer-unreadable': { path: nasty('path'), problem: nasty('problem') },
  'pad-token-missing': { folder: nasty('folder') },
  'chat-template-missing': { folder: nasty('folder') },
  'chat-template-unusable': { path: nasty('path'), problem: nasty('problem') },
  'token-out-of-range': { id: 999, vocabSize: 384 },
  'folder-not-writable': { path: nasty('path'), problem: nasty('problem') },
  'provider-missing': {
    provider: 'cuda',
    problem: nasty('problem'),
    available: ['cpu'],
    cuda: null,
  },
  'file-exists': { path: nasty('path') },
  'output-not-writable': { path: nasty('path'), problem: nasty('problem') },
  'temporary-folder': { path: nasty('path'), variable: 'TMPDIR', problem: nasty('problem') },
  'model-not-found': { path: nasty('path') },
  'model-no-onnx': { folder: nasty('folder') },
  'model-ambiguous': { folder: nasty('folder'), files: ['a.onnx', nasty('b')], dtypes: ['q4'] },
  'dtype-missing': { folder: nasty('folder'), dtype: 'q4', available: ['fp16'] },
  'hub-setting': { name: 'HF_ENDPOINT', problem: nasty('problem'), remedy: nasty('remedy') },
  'hub-repo-missing': { repo: 'owner/name', endpoint: nasty('endpoint') },
  'hub-revision-missing': { repo: 'owner/name', revision: nasty('revision') },
  'hub-file-missing': { repo: 'owner/name', file: nasty('file') },
  'hub-no-onnx': { repo: 'owner/name', files: [nasty('a'), 'b'] },
  'hub-ambiguous': { repo: 'owner/name', files: [nasty('a'), 'b'], dtypes: ['q4'] },
  'hub-denied': { repo: 'owner/name', endpoint: nasty('endpoint'), status: 401 },
  'hub-gated': { repo: 'owner/name', url: nasty('url') },
  'hub-offline': { what: nasty('what'), cache: nasty('cache') },
  'hub-unreachable': {
    what: nasty('what'),
    endpoint: nasty('endpoint'),
    problem: nasty('problem'),
  },
  'hub-response': { url: nasty('url'), problem: nasty('problem') },
  'hub-cut': { file: nasty('file'), received: 7, problem: nasty('problem') },
  'hub-checksum': { file: nasty('file'), expected: 'abc', actual: 'def' },
  'hub-cache': { path: nasty('path'), problem: nasty('problem') },
  'model-unreadable': { path: nasty('path'), problem: nasty('problem') },
  'model-empty': { path: nasty('path') },
  'model-not-onnx': { path: nasty('path'), problem: nasty('problem') },
  'model-too-large': { path: nasty('path'), part: 'nodes', found: 1e6, most: 400_000 },
  'config-missing': { path: nasty('path') },
  'config-unreadable': { path: nasty('path'), problem: nasty('problem') },
  'config-unsupported': { path: nasty('path'), problem: nasty('problem') },
  'external-data-missing': { path: nasty('path'), tensor: nasty('tensor') },
  'external-data-short': { path: nasty('path'), tensor: nasty('tensor'), needed: 100, size: 50 },
  'external-data-outside': { location: nasty('location'), tensor: nasty('tensor') },
  'external-data-invalid': { tensor: nasty('tensor'), problem: nasty('problem') },
  'no-attention': { path: nasty('path') },
  'site-not-recognised': {
    node: nasty('node'),
    opType: 'Softmax',
    layer: 3,
    problem: nasty('problem'),
    remedy: 'eager',
  },
  'graph-not-supported': { problem: nasty('problem'), remedy: 'exporter' },
  'input-not-supported': {
    name: nasty('name'),
    type: 'float32',
    shape: [1, nasty('dim')],
    problem: nasty('problem'),
    remedy: 'ids',
  },
  'graph-invalid': { path: nasty('path'), problem: nasty('problem') },
  'model-refused': { stage: nasty('stage'), reason: 'graph', problem: nasty('problem') },
  'input-refused': { stage: nasty('stage'), what: 'size', problem: nasty('problem') },
  'rebuilt-refused': { stage: nasty('stage'), problem: nasty('problem') },
  'out-of-memory': { stage: nasty('stage'), problem: nasty('problem') },
  'runner-not-started': { problem: nasty('problem') },
  'layer-count': { found: 3, expected: 4 },
  'not-buildable': { implementation: 'flash', problem: nasty('problem') },
  'rebuild-differs': { what: nasty('what'), layer: null, actual: NaN, limit: 1e-6, clash: null },
  'execution-failed': { stage: nasty('stage'), problem: nasty('problem') },
  'runner-crashed': { stage: nasty('stage'), signal: 'SIGKILL' },
  'timed-out': { stage: nasty('stage'), seconds: 5 },
  'resume-unasked': { path: nasty('path'), batches: 3 },
  'resume-mismatch': { path: nasty('path'), field: 'model' },
  'config-file-unreadable': { path: nasty('path'), problem: nasty('problem') },
  'config-file-invalid': {
    path: nasty('path'),
    line: 3,
    key: nasty('key'),
    problem: nasty('problem'),
  },
  'config-file-outside': {
    path: nasty('path'),
    line: 3,
    key: 'report.html',
    target: nasty('target'),
    place: 'outside',
    flag: '--report',
  },
  'config-file-ambiguous': { paths: [nasty('paths'), 'package.json'] },
  'config-file-there': { path: nasty('path') },
  'report-unreadable': { path: nasty('path'), problem: nasty('problem') },
  'history-unreadable': { path: nasty('path'), line: 3, problem: nasty('problem') },
  'baseline-mismatch': {
    path: nasty('path'),
    field: 'kernel',
    of: nasty('implementation'),
    was: nasty('was'),
    is: nasty('is'),
    fields: ['kernel', 'cpu'],
  },
  'baseline-apart': { path: nasty('path'), what: 'batches', was: nasty('was'), is: nasty('is') },
  'baseline-shard': { path: nasty('path'), index: 2, count: 3 },
  'resume-unreadable': { path: nasty('path'), problem: nasty('problem') },
  'merge-not-shard': { path: nasty('path') },
  'merge-differs': {
    path: nasty('path'),
    other: nasty('other'),
    field: 'environment.cpu',
    value: nasty('value'),
    otherValue: nasty('otherValue'),
  },
  'merge-twice': { path: nasty('path'), other: nasty('other'), index: 3 },
  'merge-missing': { missing: [2, 5], count: 6 },
  'merge-damaged': { path: nasty('path'), problem: nasty('problem') },
  'merge-unanswered': {
    path: nasty('path'),
    implementation: nasty('implementation'),
    batch: nasty('batch'),
  },
  'setup-source': { path: nasty('path'), fault: { kind: 'damaged', problem: nasty('problem') } },
  'setup-platform': { platform: nasty('platform'), arch: nasty('arch') },
  'setup-folder': { path: nasty('path'), problem: nasty('problem') },
  'setup-runtime': { path: nasty('path'), problem: nasty('problem') },
  'setup-driver': { path: nasty('path'), needs: 13, supports: '12.4' },
  'setup-download': {
    reason: 'failed',
    program: nasty('program'),
    version: '1.30.0',
    problem: nasty('problem'),
  },
  interrupted: { kept: { path: nasty('path'), done: 3, total: 9 } },
};

function nasty(name: string): string {
  return `${name}\r\nline\u001B[31m two.\n`;
}

function textOf(code: ErrorCode): string {
  return errorText(new AttnDiffError(code, ARGS[code]));
}

describe('errorText', () => {
  it('says what CUDA lacks on this machine where that provider cannot be used', () => {
    const libraries = [
      { name: 'libcublas.so.13', path: null, origin: null, neededBy: 'x.so', isRequired: true },
    ];
    const cuda = { cuda: { lacks: 'libraries' as const, version: 13 }, libraries };
    expect(
      errorText(
        new AttnDiffError('provider-missing', {
          provider: 'cuda',
          problem: 'it did not load',
          available: ['cpu', 'cuda'],
          cuda,
        }),
      ),
    ).toBe(
      'the execution provider "cuda" cannot be used here: it did not load. Libraries of NVIDIA are missing: pip install "nvidia-cublas==13.*". Run attn-diff doctor for more. This platform has cpu, cuda.',
    );
  });

  it('is tried with every error', () => {
    expect(Object.keys(ARGS).toSorted()).toEqual(ERROR_CODES.toSorted());
  });

  it.each(ERROR_CODES)('%s: one line, with what it is about and what to do', (code) => {
    const text = textOf(code);
    expect(text).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
    expect(text).toMatch(/\.$/);
    expect(text).not.toMatch(/\.\.|undefined|\[object|\. \.|\.:/);
    const isChoice = (key: string): boolean =>
      key === 'remedy' ||
      key === 'reason' ||
      key === 'place' ||
      key === 'part' ||
      key === 'found' ||
      key === 'most' ||
      key === 'characters' ||
      (code === 'input-refused' && key === 'what');
    const values = (
      Object.entries(ARGS[code])
        .filter(([key]) => !isChoice(key))
        .map(([, value]) => value) as unknown[]
    ).flatMap((value) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? (Object.values(value) as unknown[])
        : [value],
    );
    for (const value of values) {
      const [said = ''] = String(value ?? '').split(/\r|,/);
      expect(text).toContain(value === 1e-6 ? '1e-6' : said);
    }
  });

  it.each(ERROR_CODES)(
    '%s: says what is wrong apart from what helps, and ends a run with 2, 3 or 4',
    (code) => {
      const { says, advice, exitCode } = ERRORS[code] as {
        says: (args: unknown) => string;
        advice: (args: unknown) => string;
        exitCode: number;
      };
      expect([EXIT.usage, EXIT.model, EXIT.execution]).toContain(exitCode);
      for (const part of [says(ARGS[code]), advice(ARGS[code])]) {
        expect(part.trim()).not.toBe('');
        expect(part).not.toMatch(/[.:;,\s]$/);
      }
      expect(textOf(code)).toBe(printable(`${says(ARGS[code])}. ${advice(ARGS[code])}.`));
    },
  );

  describe('advice follows the reason', () => {
    const advised = (pattern: RegExp): string[] =>
      ERROR_CODES.filter((code) => pattern.test(textOf(code)));

    it('less memory only where it ran out', () => {
      // The example of runner-crashed is one that the system killed.
      expect(advised(/smaller batch|fewer implementations/)).toEqual([
        'out-of-memory',
        'runner-crashed',
      ]);
      expect(
        errorText(new AttnDiffError('runner-crashed', { stage: 's', signal: 'SIGSEGV' })),
      ).not.toMatch(/memory|batch/);
    });

    it('another export of the attention only where that is recognised', () => {
      expect(advised(/attn_implementation/)).toEqual(['site-not-recognised']);
      expect(
        errorText(
          new AttnDiffError('site-not-recognised', {
            ...ARGS['site-not-recognised'],
            remedy: 'report',
          }),
        ),
      ).not.toMatch(/eager|[Ee]xport the/);
    });

    it('an issue is asked for only where the file may be in order', () => {
      expect(advised(/an issue|report (?:this|it)/i)).toEqual([
        'site-not-recognised',
        'rebuild-differs',
        'rebuilt-refused',
        'execution-failed',
      ]);
    });

    it('room only where there is none', () => {
      const written = (problem: string): string =>
        errorText(new AttnDiffError('output-not-writable', { path: 'a.json', problem }));
      expect(written('ENOSPC')).toBe(
        'a.json: cannot be written: the disk is full (ENOSPC). Make room there, or choose another path.',
      );
      expect(written('EACCES')).toBe(
        'a.json: cannot be written: no permission (EACCES). Choose another path.',
      );
    });

    it.each([
      'operator',
      'kernel',
      'types',
      'shapes',
      'version',
      'weights',
      'damaged',
      'graph',
    ] as const)('a model refused for its %s: its own advice', (reason) => {
      const text = errorText(
        new AttnDiffError('model-refused', { stage: 's', reason, problem: 'p' }),
      );
      expect(text).toMatch(/^ONNX Runtime refuses the model \(s\): p\. \S.*\.$/);
      expect(text).not.toMatch(/batch|attn_implementation/);
    });
  });

  it('cuts what is far too long', () => {
    const error = new AttnDiffError('execution-failed', {
      stage: 'the batch left',
      problem: 'x'.repeat(5000),
    });
    expect(errorText(error).length).toBeLessThan(600);
  });

  it('says how shards may differ, where they may', () => {
    const differing = (field: string, value: string | null): string =>
      errorText(
        new AttnDiffError('merge-differs', {
          path: 'b.json',
          other: 'a.json',
          field,
          value,
          otherValue: '"x"',
        }),
      );
    expect(differing('environment.cpu', '"y"')).toBe(
      'b.json: environment.cpu is "y", but "x" in a.json, so these are not shards of one run. Run all shards on machines of one kind, or let it differ with --allow cpu.',
    );
    expect(differing('environment.attnDiff', '"y"')).not.toContain('--allow');
    expect(differing('command.3', null)).toMatch(
      /command\.3 is absent, but "x" in a\.json.*the same command/,
    );
  });

  it('names the layer of a rebuild that differs, where there is one', () => {
    const at = (layer: number | null): string =>
      errorText(
        new AttnDiffError('rebuild-differs', {
          what: 'eager',
          layer,
          actual: 0.5,
          limit: 1e-5,
          clash: null,
        }),
      );
    expect(at(2)).toContain('at layer 2');
    expect(at(null)).not.toContain('layer');
  });

  it('tells both numbers of a rebuild where one is NaN, which no limit is about', () => {
    const text = errorText(
      new AttnDiffError('rebuild-differs', {
        what: 'eager',
        layer: 1,
        actual: 0,
        limit: 1e-5,
        clash: { x: NaN, reference: 2.5 },
      }),
    );
    expect(text).toMatch(
      /^rebuilding the graph changed its numbers: eager at layer 1 is NaN in one place where the file's own nodes give 2\.50\. /,
    );
    expect(text).not.toContain('1e-5');
  });
});
