import { describe, expect, it } from 'vitest';
import { AttnDiffError } from '../../src/errors.js';
import { errorText, setupListText, setupText } from '../../src/report/index.js';
import type { SetupOutcome, SourceFault } from '../../src/setupTypes.js';

const PLACED: Extract<SetupOutcome, { kind: 'placed' }> = {
  kind: 'placed',
  isDryRun: false,
  libraries: {
    origin: { kind: 'python', path: '/site/onnxruntime/capi' },
    version: '1.30.0',
    commit: 'f2c39fe2f',
    cuda: 13,
    files: [
      { name: 'shared.so', bytes: 14_632 },
      { name: 'cuda.so', bytes: 272_049_904 },
    ],
  },
  folder: '/node',
  isReplacing: false,
  driverCuda: '13.1',
};

describe('what setup prints', () => {
  it('lists what can be set up', () => {
    expect(setupListText()).toBe(
      "attn-diff setup cuda   the CUDA provider's libraries, put beside onnxruntime-node's own (Linux x64, CUDA 13)\n",
    );
  });

  it('says what was put where, from what, and what comes next', () => {
    expect(setupText(PLACED))
      .toBe(`onnxruntime-gpu 1.30.0, commit f2c39fe2f, for CUDA 13, installed for Python: /site/onnxruntime/capi
Put into /node:
  shared.so  14.3 KiB
  cuda.so    259 MiB
The driver supports CUDA 13.1.
Next: attn-diff doctor
`);
  });

  it('says of a dry run that nothing was changed', () => {
    const libraries = {
      ...PLACED.libraries,
      version: null,
      cuda: null,
      origin: { kind: 'folder', path: '/libs' },
    } as const;
    expect(setupText({ ...PLACED, libraries, isDryRun: true, isReplacing: true, driverCuda: null }))
      .toBe(`onnxruntime-gpu, commit f2c39fe2f, from /libs
Would replace other libraries in /node:
  shared.so  14.3 KiB
  cuda.so    259 MiB
The driver was not asked which CUDA it supports: there is no nvidia-smi, or it does not say.
Nothing was changed.
`);
    expect(setupText({ kind: 'download', version: '1.30.0', folder: '/node' })).toBe(
      'Would download onnxruntime-gpu 1.30.0 with pip, check its commit, and put its CUDA provider into /node\nNothing was changed or downloaded.\n',
    );
  });

  it('says what was removed, and what is there already', () => {
    expect(
      setupText({
        kind: 'removed',
        isDryRun: false,
        folder: '/node',
        files: [{ name: 'a.so', bytes: 1 }],
      }),
    ).toBe('Removed from /node:\n  a.so  1 B\n');
    expect(
      setupText({
        kind: 'removed',
        isDryRun: true,
        folder: '/node',
        files: [{ name: 'a.so', bytes: 1 }],
      }),
    ).toBe('Would remove from /node:\n  a.so  1 B\nNothing was changed.\n');
    expect(setupText({ kind: 'removed', isDryRun: false, folder: '/node', files: [] })).toBe(
      'Nothing to remove: no provider library is in /node\n',
    );
    expect(setupText({ kind: 'same', commit: 'f2c39fe2f', cuda: 13, folder: '/node' })).toBe(
      'The CUDA provider is in place already (commit f2c39fe2f, for CUDA 13): /node\nNext: attn-diff doctor\n',
    );
  });

  it('keeps a line a line, whatever names are in it', () => {
    const origin = { kind: 'wheel', path: 'a\n::error::b\u001B[31m' } as const;
    expect(
      setupText({ ...PLACED, libraries: { ...PLACED.libraries, origin } }).split('\n'),
    ).toHaveLength(7);
  });
});

const FAULTS: SourceFault[] = [
  { kind: 'unreadable', problem: 'EACCES' },
  { kind: 'not-archive' },
  { kind: 'damaged', problem: 'x' },
  { kind: 'not-library', name: 'a.so' },
  { kind: 'missing', name: 'a.so', needed: '1.30.0' },
  { kind: 'no-provider', distribution: null, needed: '1.30.0' },
  { kind: 'platform', found: 'arm64' },
  { kind: 'version', found: '1', needed: '1.30.0' },
  { kind: 'commit', found: 'a', needed: 'b' },
  { kind: 'no-commit', name: 'a.so' },
];

it.each(FAULTS)('a source that cannot be used ($kind): two sentences on one line', (fault) => {
  const text = errorText(new AttnDiffError('setup-source', { path: 'a.whl', fault }));
  expect(text).toMatch(/^a\.whl: (?:it|its|a\.so) [^\n]+\. [A-Z][^\n]+\.$/);
  expect(text).not.toMatch(/undefined|null|\.\.|object/);
});

it('a folder that cannot be written: advice follows the reason', () => {
  const advice = (problem: string): string =>
    errorText(new AttnDiffError('setup-folder', { path: '/node', problem }));
  expect(advice('EROFS')).toMatch(
    /the file system is read-only \(EROFS\)\. Run it where that file system can be written/,
  );
  expect(advice('EACCES')).toMatch(
    /no permission \(EACCES\)\. Run it as the user who installed attn-diff/,
  );
  expect(advice('ENOSPC')).toMatch(/the disk is full \(ENOSPC\)\. Make room there/);
});
