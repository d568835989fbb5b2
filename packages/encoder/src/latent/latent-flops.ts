/**
 * Floating-point operations of an encoder of latents for one sample, a multiplication and an addition counting as two. Norms,
 * softmax and activations are left out. Tokens cost by their number, experts by how many a token chooses.
 *
 * L tokens · D token width · N latents · M modalities · T = M N · C width · K chosen experts
 */
import { blockLinears } from '../blocks/linears.ts';
import { conditionOf } from '../config/expert-groups.ts';
import { groupAt, groupSites } from '../experts/sites.ts';
import {
  blockShapeOf,
  resolveLatentConfig,
  tokenWidth,
  type LatentEncoderConfig,
  type ResolvedLatentConfig,
} from './latent-config.ts';

/** A modality of the sample. */
export interface CountedModality {
  readonly modality: string;
  /** L */
  readonly tokens: number;
  /** Experts that its latents choose in every group. @default as configured */
  readonly topK?: number;
}

/** Operations of one sample. */
export interface LatentFlops {
  /** Cross-attention and self-attention of each modality by itself, in their order. */
  readonly unimodal: readonly number[];
  /** Linears and experts of the blocks. */
  readonly linears: number;
  /** Both products of their attention. */
  readonly attention: number;
  /** Routers. */
  readonly routing: number;
  /** Sum of the above. */
  readonly forward: number;
}

const unimodalFlops = (config: ResolvedLatentConfig, tokens: number): number => {
  const { width, latents, crossHeads, crossHeadWidth, latentLayers, latentHeads, latentHeadWidth } = config;
  const cross = crossHeads * crossHeadWidth;
  const inner = latentHeads * latentHeadWidth;
  const feed = 2 * latents * 2 * width * config.latentHidden;
  const attended =
    2 * latents * 2 * width * cross +
    2 * tokens * 2 * tokenWidth(config) * cross +
    2 * 2 * latents * tokens * cross;
  const self = 2 * latents * 4 * width * inner + 2 * 2 * latents * latents * inner;
  return attended + feed + latentLayers * (self + feed);
};

/** @throws ConfigError for a configuration that makes no encoder */
export const countLatentFlops = (
  config: LatentEncoderConfig,
  modalities: readonly CountedModality[],
): LatentFlops => {
  const resolved = resolveLatentConfig(config);
  const { width, latents, layers, moe, join } = resolved;
  const length = modalities.length * latents;
  const unimodal = modalities.map(({ tokens }) => unimodalFlops(resolved, tokens));
  let linears = 0;
  for (let block = 0; block < layers; block += 1) {
    for (const { name, shape } of blockLinears(blockShapeOf(resolved))) {
      const [out, input] = shape;
      const group = groupAt(moe, { block, linear: name });
      const isByToken =
        group !== undefined && !conditionOf(group, moe ?? { tasks: [], modalities: [] }).dataIndependent;
      for (const { topK } of modalities) {
        linears += 2 * latents * out * input * (isByToken ? (topK ?? group.topK) : 1);
      }
    }
  }
  let routing = 0;
  for (const group of moe?.groups ?? []) {
    const condition = conditionOf(group, moe ?? { tasks: [], modalities: [] });
    if (condition.dataIndependent) continue;
    const sites = groupSites(group).length;
    const { decision, sequence = 0 } = condition.flops({ width, sites, experts: group.experts });
    routing += sites * (length * decision + sequence);
  }
  const attended = join === 'sequence' ? length * length : modalities.length * latents * latents;
  const attention = layers * 2 * 2 * attended * width;
  const all = unimodal.reduce((sum, count) => sum + count, 0);
  return { unimodal, linears, attention, routing, forward: all + linears + attention + routing };
};
