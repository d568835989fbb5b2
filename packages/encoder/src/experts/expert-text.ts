/** What experts an encoder has, in words, for terminals. */
import { conditionNamed } from '@polygate/routers';
import { blockLinears, branchOf, type LinearSpec } from '../blocks/linears.ts';
import { resolveEncoderConfig, type EncoderConfig } from '../config/config.ts';
import type { ExpertGroup } from '../config/expert-groups.ts';
import { groupSites } from './sites.ts';

const branchWords: ReadonlyMap<string, string> = new Map([['ffn', 'feed-forward']]);

/** Linears by their branch where a group has all of it, else by name. */
const linearsText = (linears: readonly string[], all: readonly LinearSpec[]): string => {
  const branches = [...new Set(linears.map(branchOf))];
  return branches
    .map((branch) => {
      const ofBranch = linears.filter((linear) => branchOf(linear) === branch);
      const whole = all.filter(({ name }) => branchOf(name) === branch).length === ofBranch.length;
      return whole ? (branchWords.get(branch) ?? branch) : ofBranch.join(', ');
    })
    .join(' and ');
};

const blocksText = (blocks: readonly number[], layers: number): string => {
  if (blocks.length === layers) return 'every block';
  const [first = 0, second = first] = blocks;
  const every = second - first;
  const regular = first === 0 && blocks.every((block, i) => block === i * every);
  return regular && every > 0 && blocks.length === Math.ceil(layers / every)
    ? `every block whose number ${every} divides`
    : `${blocks.length === 1 ? 'block' : 'blocks'} ${blocks.join(', ')}`;
};

const groupText = (group: ExpertGroup, layers: number, all: readonly LinearSpec[]): string => {
  const { condition, experts, topK, topKByModality, blocks, linears } = group;
  const others = Object.entries(topKByModality).map(([modality, k]) => `, ${k} of ${modality}`);
  const routers = groupSites(group).length;
  return `${experts} experts, ${topK}${others.join('')} chosen by ${condition} (${conditionNamed(condition).summary}); ${linearsText(linears.flat(), all)} of ${blocksText(blocks, layers)}, ${routers} ${routers === 1 ? 'decision' : 'decisions'} a token`;
};

/**
 * One line for each group: how many experts and routers, by what they are chosen, and where they are.
 * @throws ConfigError for a configuration that makes no encoder
 */
export const formatExperts = (config: EncoderConfig): string => {
  const resolved = resolveEncoderConfig(config);
  const { moe, layers } = resolved;
  if (!moe) return 'no experts: a dense encoder';
  const texts = moe.groups.map((group) => ({
    name: group.name,
    text: groupText(group, layers, blockLinears(resolved)),
  }));
  return texts.map(({ name, text }) => (texts.length === 1 ? text : `${name}: ${text}`)).join('\n');
};
