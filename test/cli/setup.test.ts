import { describe, expect, it } from 'vitest';
import { call, expectRefusal } from '../support/cli.js';

describe('attn-diff setup', () => {
  it('lists what can be set up', async () => {
    expect(await call(['setup'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^attn-diff setup cuda {3}\S/), stderr: '' });
  });

  it.each([
    [['setup', 'tpu'], "'tpu' is invalid"],
    [['setup', '--dry-run'], 'what is to be set up was not given: cuda. See attn-diff setup --help.'],
    [['setup', 'cuda', '--remove', '--from', 'a.whl'], "'--remove' cannot be used with option '--from <path>'"],
    [['setup', 'cuda', '--from'], '--from'],
  ])('%j is a wrong usage', async (args, text) => {
    expectRefusal(await call(args), 2, text);
  });

  it.skipIf(process.platform !== 'linux' || process.arch !== 'x64')('refuses a file that is no wheel, in a dry run too', async () => {
    expectRefusal(await call(['setup', 'cuda', '--from', 'package.json', '--dry-run']), 2, 'package.json: it is neither a wheel');
    expectRefusal(await call(['setup', 'cuda', '--from', 'none.whl', '--dry-run']), 2, 'none.whl: it cannot be read: no such file or folder (ENOENT)');
  });

  it.skipIf(process.platform === 'linux' && process.arch === 'x64')('is for Linux x64', async () => {
    expectRefusal(await call(['setup', 'cuda', '--dry-run']), 4, 'onnxruntime-node has no CUDA provider for');
  });
});
