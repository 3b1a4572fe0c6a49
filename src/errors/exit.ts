export const EXIT = { passed: 0, gateFailed: 1, usage: 2, model: 3, execution: 4 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
