/** What experts an encoder has, in words, for terminals. */
import { conditionNamed } from '@polygate/routers';
import { resolveEncoderConfig, type EncoderConfig } from '../config/config.ts';
import { gateSites } from './placement.ts';

const blocksOf = (every: number): string =>
  every === 1 ? 'every block' : `every block whose number ${every} divides`;

/**
 * One line: how many experts and routers, by what they are chosen, and where they are.
 * @throws ConfigError for a configuration that makes no encoder
 */
export const formatExperts = (config: EncoderConfig): string => {
  const resolved = resolveEncoderConfig(config);
  const { moe } = resolved;
  if (!moe) return 'no experts: a dense encoder';
  const { condition, experts, topK, every, attention, ffn } = moe;
  const routers = gateSites(resolved).length;
  const parts = [...(attention ? ['attention'] : []), ...(ffn ? ['feed-forward'] : [])].join(' and ');
  return `${experts} experts, ${topK} chosen by ${condition} (${conditionNamed(condition).summary}); ${parts} of ${blocksOf(every)}, ${routers} decisions a token`;
};
