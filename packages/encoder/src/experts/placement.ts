/**
 * Where experts and routers are. A site is one router; by default each conditional block has two: the output projection
 * reuses the decision of the fused query-key-value, the second feed-forward linear that of the first.
 */
import type { ResolvedEncoderConfig } from '../config/config.ts';

/** The four linear layers of a block. */
export type BlockLinear = 'attention.qkv' | 'attention.output' | 'ffn.fc1' | 'ffn.fc2';

/** One router: the block it belongs to and the linears that follow its decision. */
export interface GateSite {
  readonly block: number;
  readonly linears: readonly BlockLinear[];
}

/** The linears of a block in the order in which tokens pass them. */
export const BLOCK_LINEARS: readonly BlockLinear[] = Object.freeze([
  'attention.qkv',
  'attention.output',
  'ffn.fc1',
  'ffn.fc2',
]);

/** Which blocks and linears have experts, as in `ExpertConfig`. */
export interface Placement {
  readonly every: number;
  readonly attention: boolean;
  readonly ffn: boolean;
}

/** Extents `[out, in]` of a block's linear. */
export const linearShape = (
  linear: BlockLinear,
  { width, hidden }: Pick<ResolvedEncoderConfig, 'width' | 'hidden'>,
): readonly [number, number] => {
  switch (linear) {
    case 'attention.qkv':
      return [3 * width, width];
    case 'attention.output':
      return [width, width];
    case 'ffn.fc1':
      return [hidden, width];
    case 'ffn.fc2':
      return [width, hidden];
    default:
      return linear satisfies never;
  }
};

/** Whether a linear of a block has experts. @param placement absent in a dense encoder */
export const isConditional = (
  placement: Placement | undefined,
  block: number,
  linear: BlockLinear,
): boolean =>
  placement !== undefined &&
  block % placement.every === 0 &&
  (linear.startsWith('attention') ? placement.attention : placement.ffn);

/** All routers of an encoder, by block and then in the order of the linears; empty for a dense one. */
export const gateSites = (config: ResolvedEncoderConfig): readonly GateSite[] => {
  const groups: readonly (readonly BlockLinear[])[] = config.moe?.separateGates
    ? BLOCK_LINEARS.map((linear) => [linear])
    : [
        ['attention.qkv', 'attention.output'],
        ['ffn.fc1', 'ffn.fc2'],
      ];
  return Array.from({ length: config.layers }, (_, block) =>
    groups
      .filter(([first]) => first !== undefined && isConditional(config.moe, block, first))
      .map((linears) => ({ block, linears })),
  ).flat();
};
