import { beforeEach, describe, expect, it, vi } from 'vitest';
import { childRunners } from '../../src/runners/childProcess.js';

const started = vi.hoisted(() => ({ environments: [] as NodeJS.ProcessEnv[], searches: 0 }));

vi.mock('node:child_process', () => ({
  fork: (_: string, __: string[], { env }: { env: NodeJS.ProcessEnv }) => {
    started.environments.push(env);
    throw new Error('no process in this test');
  },
}));

vi.mock('../../src/cuda/installed.js', () => ({
  libraryEnvironment: (provider: string, { LD_LIBRARY_PATH: own }: NodeJS.ProcessEnv) => {
    if (provider === 'cpu') return {};
    started.searches++;
    return { LD_LIBRARY_PATH: `${own}:/site/nvidia/cu13/lib` };
  },
}));

describe('the process of a lane', () => {
  beforeEach(() => void vi.stubEnv('LD_LIBRARY_PATH', '/own'));

  const environmentOf = async (provider: 'cpu' | 'cuda'): Promise<NodeJS.ProcessEnv> => {
    const runner = childRunners().at({ provider, environment: { ORT_ENABLE_XQA: '0' } });
    await expect(runner.memory()).rejects.toMatchObject({ code: 'runner-not-started' });
    return started.environments.at(-1)!;
  };

  it("gets the folders of NVIDIA's libraries on CUDA, behind the caller's own", async () => {
    expect(await environmentOf('cuda')).toMatchObject({
      LD_LIBRARY_PATH: '/own:/site/nvidia/cu13/lib',
      ORT_ENABLE_XQA: '0',
    });
  });

  it('is searched nothing for on the CPU', async () => {
    const before = started.searches;
    expect(await environmentOf('cpu')).toMatchObject({ LD_LIBRARY_PATH: '/own' });
    expect(started.searches).toBe(before);
  });
});
