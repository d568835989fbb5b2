import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Set-up of every run of the tests: all their temporary files lie in one folder that goes with the run, and none begins
 * without the engines that POLYGATE_REQUIRE_ENGINES names.
 *
 * @returns what is called when all tests have ended
 */
export const setup = async (): Promise<() => void> => {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-tests-'));
  process.env['TMPDIR'] = folder;
  const teardown = (): void => {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    await requireEngines();
  } catch (error) {
    teardown();
    throw error;
  }
  return teardown;
};

const requireEngines = async (): Promise<void> => {
  if (!process.env['POLYGATE_REQUIRE_ENGINES']) return;
  const { requireTestEngines } = await import('@polygate/tensor/testing');
  const { probeEngines } = await import('@polygate/tensor');
  requireTestEngines(await probeEngines());
};
