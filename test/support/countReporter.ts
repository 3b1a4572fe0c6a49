import type { Reporter, TestModule, TestRunEndReason } from 'vitest/node';

/**
 * Prints `N passed, N failed`, and `, N skipped` where there are any, as the last line of a run. A file that cannot be
 * loaded and an error outside any test count as a failure each. A run in which nothing passed is a failed run.
 */
export default class CountReporter implements Reporter {
  onTestRunEnd(
    modules: readonly TestModule[],
    unhandledErrors: readonly unknown[],
    reason: TestRunEndReason,
  ): void {
    const states = modules.flatMap((module) =>
      [...module.children.allTests()].map((test) => test.result().state),
    );
    const count = (state: (typeof states)[number]): number =>
      states.filter((other) => other === state).length;
    const passed = count('passed');
    const interrupted = reason === 'interrupted' ? count('pending') : 0;
    const failed =
      count('failed') +
      modules.reduce((sum, module) => sum + module.errors().length, 0) +
      unhandledErrors.length +
      interrupted;
    const skipped = count('skipped');
    if (passed === 0 || failed > 0) process.exitCode = 1;
    // On exit, so that nothing is printed after it.
    process.once('exit', () =>
      process.stdout.write(
        `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`,
      ),
    );
  }
}
