import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { AttnDiffError } from '../../src/errors.js';
import { parseRunOptions } from '../../src/config/index.js';

const refused = (report: string[], output?: string): unknown => {
  try {
    return parseRunOptions({ model: 'm', report, ...(output !== undefined && { output }) }).reports;
  } catch (error) {
    return error instanceof AttnDiffError ? error.args : error;
  }
};

describe('two reports for one file', () => {
  test.each([
    ['under one name', 'a.json'],
    ['one of them by way of the folder', './a.json'],
    ['one of them from the root', resolve('a.json')],
  ])('are refused before anything is run, %s', (_, other) => {
    expect(refused(['json=a.json', `html=${other}`])).toMatchObject({
      option: '--report',
      value: `html=${other}`,
      problem: `${other} gets another report already`,
    });
    expect(refused([`html=${other}`], 'a.json')).toMatchObject({
      option: '--report',
      value: `html=${other}`,
    });
  });

  test('are none where only the names of the files agree', () => {
    expect(refused(['json=a.json', 'html=b/a.json'])).toHaveLength(3);
  });
});
