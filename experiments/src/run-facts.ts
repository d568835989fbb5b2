/** The line below the tables of an experiment: the command, how many runs of which length and seeds, the code, the machine. */
import type { ResultsHead } from './results.ts';

interface FactRun {
  readonly seed: number;
  readonly commit: string;
}

/** @param lengths of the runs, such as `2000 steps`; `hours` of one core, all together */
export const runFacts = (
  { machine, command }: Pick<ResultsHead, 'machine' | 'command'>,
  runs: readonly FactRun[],
  { lengths, hours }: { readonly lengths: readonly string[]; readonly hours: number },
): string => {
  const commits = [...new Set(runs.map(({ commit }) => commit))].join(', ');
  const seeds = [...new Set(runs.map(({ seed }) => seed))].sort((a, b) => a - b).join(', ');
  const { cpu, cores, memoryGigabytes, node, engine } = machine;
  return `\`${command}\`: ${runs.length} runs of ${[...new Set(lengths)].join(', ')}, seeds ${seeds}, commit ${commits}, ${hours.toFixed(2)} hours of one core. ${cpu}, ${cores} cores, ${memoryGigabytes} GB, Node ${node}, ${engine}.`;
};
