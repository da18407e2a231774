/** Progress as it goes, failures in full, and the last line that CI reads. */
import Mocha from 'mocha';

export class SummaryReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options);
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      // A run that tested nothing has not succeeded.
      if (passes + failures === 0) process.exitCode = 1;
      process.once('exit', () => {
        const skipped = pending > 0 ? `, ${pending} skipped` : '';
        console.log(`${passes} passed, ${failures} failed${skipped}`);
      });
    });
  }
}
