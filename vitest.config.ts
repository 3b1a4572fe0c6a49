import { defineConfig } from 'vitest/config';

/** Folders whose tests leave the process as they find it, so that its modules can be loaded once for all of them. */
const SHARING = [
  'attention',
  'batch',
  'commands',
  'config',
  'gate',
  'head',
  'metrics',
  'onnx',
  'report',
].map((folder) => `test/${folder}/**/*.test.ts`);

export default defineConfig({
  test: {
    globalSetup: 'test/support/requireBuild.ts',
    pool: 'forks',
    // vitest leaves a core free by default, which on two cores runs one file after the other.
    maxWorkers: '100%',
    testTimeout: 60_000,
    // Sessions of two test files at once would spin for each other's cores.
    env: { ORT_INTRA_OP_NUM_THREADS: '1' },
    projects: [
      {
        extends: true,
        test: { name: 'isolated', include: ['test/**/*.test.ts'], exclude: SHARING },
      },
      { extends: true, test: { name: 'sharing', include: SHARING, isolate: false } },
    ],
  },
});
