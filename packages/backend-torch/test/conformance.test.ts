import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { describeOnTorch } from './torch-suite.ts';

const runner = fileURLToPath(new URL('../conformance/run.mjs', import.meta.url));

const run = (...options: string[]): Promise<{ code: number; output: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [runner, ...options], { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : Number(error.code ?? 1);
      resolve({ code, output: stdout + stderr });
    });
  });

describeOnTorch('conformance', () => {
  it('passes the official tfjs backend suite', async () => {
    const { code, output } = await run();
    const counts = /^conformance: (\d+) passed, (\d+) failed, (\d+) skipped$/.exec(
      output.trim().split('\n').at(-1) ?? '',
    );
    const [, passed, failed, skipped] = (counts ?? []).map(Number);
    expect(failed, output).toBe(0);
    expect(passed, output).toBeGreaterThanOrEqual(4220);
    // Those that the suite itself marks as pending, and the skip list.
    expect(skipped, output).toBeLessThanOrEqual(5);
    expect(code, output).toBe(0);
  }, 300_000);

  it('says so when nothing ran, and exits 1', async () => {
    const { code, output } = await run('--filter', 'no spec has this name');
    expect(output.trim().split('\n').at(-1)).toBe('conformance: 0 passed, 0 failed, 0 skipped');
    expect(code).toBe(1);
  }, 120_000);
});
