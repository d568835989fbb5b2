/** The command line in this process, and a model that trains in a second, for tests that go through both. */
import { main, memoryTerminal } from 'polygate';

/** Runs a command. @returns exit code, and what it printed to each side */
export const polygate = async (...argv: string[]): Promise<{ code: number; out: string; log: string }> => {
  const terminal = memoryTerminal();
  const code = await main(argv, terminal);
  return { code, out: terminal.out.join('\n'), log: terminal.log.join('\n') };
};

/** Sizes of a model for suites of 8 x 8 images; `moe` and what else differs is each test's. */
export const tinyModel = {
  preset: 'mini',
  layers: 1,
  width: 16,
  heads: 2,
  hidden: 32,
  patchSize: 4,
  maxPositions: 32,
} as const;
