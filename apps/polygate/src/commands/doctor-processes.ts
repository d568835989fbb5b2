/** `polygate doctor --processes`: whether processes reach each other and are alike, before they train together. */
import { fitPretrainRecipe } from '@polygate/app-pretrain';
import { ConfigError, sha256 } from '@polygate/core';
import { examineRanks, type RankExamination } from '@polygate/runs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { readRecipe } from '../extensions.ts';
import { isChild, runProcesses, withoutOption } from '../processes.ts';
import { asRank, processCount } from '../ranks.ts';
import type { Terminal } from '../terminal.ts';

const BYTES_PER_MB = 1e6;
/** Milliseconds from which on clocks are worth a word: times in logs of several machines no longer tell an order. */
const CLOCKS_APART = 1000;

export interface ProcessesFlags {
  /** Without a number a launcher has started them. */
  readonly processes: string | true;
  readonly recipe?: string;
  readonly set: readonly string[];
  readonly json?: boolean;
}

/** What processes of one run must have alike. */
const factsOf = async ({ recipe, set }: ProcessesFlags): Promise<Readonly<Record<string, string>>> => {
  const { version } = createRequire(import.meta.url)('@polygate/core/package.json') as { version: string };
  const facts = { polygate: version, node: process.versions.node };
  if (recipe === undefined) return facts;
  const fitted = await fitPretrainRecipe(await readRecipe(recipe, { set: [...set] }));
  const { engine: _, threads: __, suite, ...computed } = fitted;
  return {
    ...facts,
    recipe: sha256(JSON.stringify(computed)),
    suite: sha256(await readFile(join(suite, 'suite.json'), 'utf8')),
  };
};

const linesOf = (
  { size, latencyMs, bytesPerSecond, clocksMs }: RankExamination,
  facts: Readonly<Record<string, string>>,
): readonly string[] => {
  const apart = Math.max(...clocksMs) - Math.min(...clocksMs);
  const clocks = `clocks ${apart.toFixed(0)} ms apart`;
  return [
    `${size} processes met, with the same ${Object.keys(facts).join(', ')}`,
    `an all-reduce takes ${latencyMs.toFixed(2)} ms, and of 17 MB ${(bytesPerSecond / BYTES_PER_MB).toFixed(0)} MB/s`,
    apart < CLOCKS_APART ? clocks : `${clocks}: set them by NTP, or logs of the machines can't be compared`,
  ];
};

/**
 * Examines the processes of a launcher, or starts as many as `--processes` says.
 * @throws ConfigError without either; StateError naming the rank that did not come or has something else
 */
export const examineProcesses = async (flags: ProcessesFlags, terminal: Terminal): Promise<void> => {
  const count = flags.processes === true ? undefined : processCount(flags.processes);
  if (count !== undefined && count > 1 && !isChild()) {
    const argv = [...withoutOption(process.argv.slice(2), '--processes'), '--processes'];
    await runProcesses(count, { argv, terminal });
    return;
  }
  await asRank(async (communicator) => {
    if (communicator.size === 1) {
      throw new ConfigError(
        'doctor --processes: expected several processes, got one; say how many on this machine, or start it by torchrun, mpirun or srun on all',
      );
    }
    const facts = await factsOf(flags);
    const found = await examineRanks(communicator, { facts });
    if (communicator.rank > 0) return;
    terminal.print(flags.json ? JSON.stringify({ ...found, facts }) : linesOf(found, facts).join('\n'));
  });
};
