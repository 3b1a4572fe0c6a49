import { expect, it } from 'vitest';
import { programOutput } from '../src/programOutput.js';

it('what a program prints is its output', async () => {
  expect(await programOutput(process.execPath, ['-p', '6 * 7'])).toBe('42\n');
});

it.each([
  ['is not there', 'no-such-program-here', []],
  ['fails', process.execPath, ['-e', 'console.log(1); process.exitCode = 3']],
  ['cannot even be asked for', 'no\0program', []],
])('a program that %s has none', async (_, program, args) => {
  expect(await programOutput(program, args)).toBeNull();
});
