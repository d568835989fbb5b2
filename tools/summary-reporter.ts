import type { ChildProcess } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import type { Reporter, TestModule } from 'vitest/node';

/**
 * Closes a run with one plain line, `tests: N passed, N failed, N skipped`, for people and for machines. Before it stands
 * what a process of tests that ended by itself leaves open: vitest says that one did, not how nor in which file.
 */
export default class SummaryReporter implements Reporter {
  readonly #ends: string[] = [];

  onInit(): void {
    subscribe('child_process', (message) => {
      const { process: child } = message as { process: ChildProcess };
      child.once('exit', (code, signal) => {
        // Workers that are told to stop end by SIGTERM.
        if (!child.spawnargs.some((word) => word.includes('vitest')) || signal === 'SIGTERM' || code === 0)
          return;
        this.#ends.push(`a process of tests (${child.pid}) ended by ${signal ?? `exit code ${code}`}`);
      });
    });
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    let brokenModules = 0;
    const open: string[] = [];
    for (const module of modules) {
      if (module.errors().length > 0) brokenModules += 1;
      for (const test of module.children.allTests()) counts[test.result().state] += 1;
      const pending = [...module.children.allTests('pending')].map(({ fullName }) => fullName);
      const isOpen = module.state() === 'queued' || module.state() === 'pending';
      if (isOpen || pending.length > 0)
        open.push(`never ended: ${[module.relativeModuleId, ...pending].join(' · ')}`);
    }
    const summary = `tests: ${counts.passed} passed, ${counts.failed + brokenModules} failed, ${counts.skipped + counts.pending} skipped`;
    // A run that a person stops has open tests, too.
    const lines = this.#ends.length > 0 ? [...this.#ends, ...open] : [];
    process.stdout.write(`\n${[...lines, summary].join('\n')}\n`);
  }
}
