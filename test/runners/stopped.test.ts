import { describe, expect, it } from 'vitest';
import { inProcessRunner } from '../../src/runners/inProcess.js';
import { pooled } from '../../src/runners/pool.js';
import type * as ChildProcess from '../../src/runners/childProcess.js';

const { childRunners } = (await import(
  new URL('../../dist/runners/childProcess.js', import.meta.url).href
)) as typeof ChildProcess;

describe('runners that were stopped', () => {
  it('make no others', () => {
    const runners = pooled(() => inProcessRunner());
    runners.at({});
    runners.stop();
    for (const ask of [() => runners.at({ group: 'another' }), () => runners.fresh({})])
      expect(ask).toThrow(expect.objectContaining({ code: 'interrupted' }));
  });

  it('start no process for whoever still has one', async () => {
    const runners = childRunners();
    const [shared, own] = [runners.at({}), runners.fresh({})];
    runners.stop();
    for (const runner of [shared, own])
      await expect(runner.memory()).rejects.toMatchObject({ code: 'interrupted' });
  });
});
