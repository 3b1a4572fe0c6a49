import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
// @ts-expect-error scripts are plain JavaScript
import { allowance, FIXTURES, obstacleOf, planSteps } from '../../scripts/gpu/plan.js';
// @ts-expect-error scripts are plain JavaScript
import { rowsText, withoutPlaces } from '../../scripts/gpu/table.js';
// @ts-expect-error scripts are plain JavaScript
import { reportOf, runNode } from '../../scripts/gpu/runStep.js';
import { fixture } from '../support/fixtures.js';

describe('the plan of what is run on a GPU', () => {
  it('gives a step no more than what its group has left, and drops it where that is nothing', () => {
    expect(allowance({ group: 'nan', limit: 45 }, 10, 480)).toEqual({ seconds: 45 });
    expect(allowance({ group: 'webgpu', limit: 45 }, 460, 480)).toEqual({ seconds: 17 });
    expect(allowance({ group: 'webgpu', limit: 45 }, 476, 480).dropped).toContain('480 s');
  });

  it('reads only fixtures that are carried along, and that exist', () => {
    const args: string[] = planSteps('cuda').flatMap(
      (step: { args?: string[] }) => step.args ?? [],
    );
    const read = new Set(
      args.filter((arg) => arg.startsWith('FIXTURES/')).map((arg) => arg.slice('FIXTURES/'.length)),
    );
    expect([...read].sort()).toEqual([...FIXTURES].sort());
    expect(FIXTURES.filter((name: string) => !existsSync(fixture(name)))).toEqual([]);
  });

  it('skips the steps of a provider that doctor found broken, with its words', () => {
    const doctor = {
      providers: [
        { name: 'cuda', status: 'missing', problem: 'no driver', remedy: 'install one' },
        { name: 'cpu', status: 'works', problem: null },
      ],
    };
    expect(obstacleOf('cuda', doctor)).toMatch(/^skipped: .*cuda.*no driver; install one$/);
    expect(obstacleOf('cpu', doctor)).toBeNull();
  });
});

describe('the table of what was run on a GPU', () => {
  it('has one row for a step without a report, and no path or machine name in it', () => {
    const row = rowsText(
      { id: 'kernels', what: '0.5B', precision: 'fp16', args: ['run'] },
      { report: null, problem: 'cannot open /home/me/lib/libcublas.so.13 | gone', seconds: null },
    );
    expect(row).toMatch(
      /^\| kernels \| 0\.5B \| fp16 \|.* cannot open libcublas\.so\.13 \\\| gone \|.*\|\n$/,
    );
    expect(withoutPlaces('CUDA failure 35 ; GPU=-1 ; hostname=mine ; line=352')).toBe(
      'CUDA failure 35 ; GPU=-1 ; line=352',
    );
    expect(withoutPlaces('CPU/GPU, 1/2')).toBe('CPU/GPU, 1/2');
  });

  it('stops a program at its limit, and says so', async () => {
    const ended = await runNode(['-e', 'setInterval(() => {}, 1000)'], {
      limit: 0.2,
      env: process.env,
    });
    expect(ended.seconds).toBeLessThan(5);
    expect(reportOf(ended).problem).toMatch(/^stopped: /);
  });
});
