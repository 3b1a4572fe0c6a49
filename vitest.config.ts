import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // vitest leaves a core free by default, which on two cores runs one file after the other.
    maxWorkers: '100%',
    testTimeout: 60_000,
    // Sessions of two test files at once would spin for each other's cores.
    env: { ORT_INTRA_OP_NUM_THREADS: '1' },
  },
});
