import { describe, it } from 'vitest';
import { EXIT } from '../../src/errors.js';
import { call } from '../support/cli.js';
import { fixture, FIXTURES } from '../support/fixtures.js';

describe.each(FIXTURES)('inspect %s', (name) => {
  it.for([
    ['table', 'txt'],
    ['json', 'json'],
  ] as const)('as %s', async ([format, extension], { expect }) => {
    const { code, stdout, stderr, left } = await call(
      ['inspect', '--model', name, '--format', format],
      { cwd: fixture() },
    );
    expect({ code, stderr, left }).toEqual({ code: EXIT.passed, stderr: '', left: [] });
    await expect(stdout).toMatchFileSnapshot(`golden/inspect-${name}.${extension}`);
  });
});
