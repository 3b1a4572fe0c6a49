import { describe, expect, it } from 'vitest';
import { AttnDiffError, type ErrorArgs, type ErrorCode } from '../../src/errors.js';
import { errorText } from '../../src/report/index.js';

/** Arguments for every code; each text has a line end and an escape sequence in it. */
const ARGS: ErrorArgs = {
  usage: { problem: nasty('problem'), command: 'attn-diff run' },
  'bad-option': { option: '--max-abs', value: nasty('value'), problem: nasty('problem'), remedy: nasty('remedy') },
  'unknown-implementation': { option: '--impl', value: nasty('value') },
  'prompts-unreadable': { path: nasty('path'), problem: nasty('problem') },
  'prompts-empty': { path: nasty('path') },
  'prompts-not-utf8': { path: nasty('path') },
  'prompts-bad-jsonl': { path: nasty('path'), line: 7, problem: nasty('problem') },
  'prompt-no-tokens': { prompt: nasty('prompt') },
  'prompt-too-long': { prompt: nasty('prompt'), tokens: 600, limit: 512 },
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
  'provider-missing': { provider: 'cuda', problem: nasty('problem'), available: ['cpu'] },
  'file-exists': { path: nasty('path') },
  'output-not-writable': { path: nasty('path'), problem: nasty('problem') },
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
  'hub-unreachable': { what: nasty('what'), endpoint: nasty('endpoint'), problem: nasty('problem') },
  'hub-response': { url: nasty('url'), problem: nasty('problem') },
  'hub-cut': { file: nasty('file'), received: 7, problem: nasty('problem') },
  'hub-checksum': { file: nasty('file'), expected: 'abc', actual: 'def' },
  'hub-cache': { path: nasty('path'), problem: nasty('problem') },
  'model-unreadable': { path: nasty('path'), problem: nasty('problem') },
  'model-empty': { path: nasty('path') },
  'model-not-onnx': { path: nasty('path'), problem: nasty('problem') },
  'config-missing': { path: nasty('path') },
  'config-unreadable': { path: nasty('path'), problem: nasty('problem') },
  'config-unsupported': { path: nasty('path'), problem: nasty('problem') },
  'external-data-missing': { path: nasty('path'), tensor: nasty('tensor') },
  'external-data-short': { path: nasty('path'), tensor: nasty('tensor'), needed: 100, size: 50 },
  'external-data-outside': { location: nasty('location'), tensor: nasty('tensor') },
  'external-data-invalid': { tensor: nasty('tensor'), problem: nasty('problem') },
  'no-attention': { path: nasty('path') },
  'site-not-recognised': { node: nasty('node'), opType: 'Softmax', layer: 3, problem: nasty('problem') },
  'graph-not-supported': { problem: nasty('problem') },
  'layer-count': { found: 3, expected: 4 },
  'not-buildable': { implementation: 'flash', problem: nasty('problem') },
  'rebuild-differs': { what: nasty('what'), layer: null, actual: NaN, limit: 1e-6 },
  'execution-failed': { stage: nasty('stage'), problem: nasty('problem') },
  'runner-crashed': { stage: nasty('stage'), signal: 'SIGKILL' },
  'timed-out': { stage: nasty('stage'), seconds: 5 },
  'resume-unasked': { path: nasty('path'), batches: 3 },
  'resume-mismatch': { path: nasty('path'), field: 'model' },
  'config-file-unreadable': { path: nasty('path'), problem: nasty('problem') },
  'config-file-invalid': { path: nasty('path'), line: 3, key: nasty('key'), problem: nasty('problem') },
  'config-file-ambiguous': { paths: [nasty('paths'), 'package.json'] },
  'config-file-there': { path: nasty('path') },
  'report-unreadable': { path: nasty('path'), problem: nasty('problem') },
  'history-unreadable': { path: nasty('path'), line: 3, problem: nasty('problem') },
  'baseline-mismatch': { path: nasty('path'), field: 'kernel', of: nasty('implementation'), was: nasty('was'), is: nasty('is'), fields: ['kernel', 'cpu'] },
  'baseline-apart': { path: nasty('path'), what: 'batches', was: nasty('was'), is: nasty('is') },
  'baseline-shard': { path: nasty('path'), index: 2, count: 3 },
  'resume-unreadable': { path: nasty('path'), problem: nasty('problem') },
  'merge-not-shard': { path: nasty('path') },
  'merge-differs': { path: nasty('path'), other: nasty('other'), field: 'environment.cpu', value: nasty('value'), otherValue: nasty('otherValue') },
  'merge-twice': { path: nasty('path'), other: nasty('other'), index: 3 },
  'merge-missing': { missing: [2, 5], count: 6 },
  'merge-damaged': { path: nasty('path'), problem: nasty('problem') },
  'merge-unanswered': { path: nasty('path'), implementation: nasty('implementation'), batch: nasty('batch') },
  interrupted: { kept: { path: nasty('path'), done: 3, total: 9 } },
};

function nasty(name: string): string {
  return `${name}\r\nline\u001B[31m two.\n`;
}

function textOf(code: ErrorCode): string {
  return errorText(new AttnDiffError(code, ARGS[code]));
}

describe('errorText', () => {
  it.each(Object.keys(ARGS) as ErrorCode[])('%s: one line, with what it is about and what to do', (code) => {
    const text = textOf(code);
    expect(text).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
    expect(text).toMatch(/\.$/);
    expect(text).not.toMatch(/\.\.|undefined|\[object|\. \.|\.:/);
    const values = (Object.values(ARGS[code]) as unknown[]).flatMap((value) => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (Object.values(value) as unknown[]) : [value]));
    for (const value of values) {
      const [said = ''] = String(value ?? '').split(/\r|,/);
      expect(text).toContain(value === 1e-6 ? '1e-6' : said);
    }
  });

  it('cuts what is far too long', () => {
    const error = new AttnDiffError('execution-failed', { stage: 'the batch left', problem: 'x'.repeat(5000) });
    expect(errorText(error).length).toBeLessThan(600);
  });

  it('says how shards may differ, where they may', () => {
    const differing = (field: string, value: string | null): string => errorText(new AttnDiffError('merge-differs', { path: 'b.json', other: 'a.json', field, value, otherValue: '"x"' }));
    expect(differing('environment.cpu', '"y"')).toBe('b.json: environment.cpu is "y", but "x" in a.json, so these are not shards of one run. Run all shards on machines of one kind, or let it differ with --allow cpu.');
    expect(differing('environment.attnDiff', '"y"')).not.toContain('--allow');
    expect(differing('command.3', null)).toMatch(/command\.3 is absent, but "x" in a\.json.*the same command/);
  });

  it('names the layer of a rebuild that differs, where there is one', () => {
    const at = (layer: number | null): string => errorText(new AttnDiffError('rebuild-differs', { what: 'eager', layer, actual: 0.5, limit: 1e-5 }));
    expect(at(2)).toContain('at layer 2');
    expect(at(null)).not.toContain('layer');
  });
});
