/**
 * The linear layers that a block of this encoder declares: what experts may replace. Groups of experts, merging, transfer
 * and accounts know of a block's linears only what stands here, so a model with other blocks declares others.
 */

/** Name of a linear layer within a block, e.g. `ffn.fc1`; the part before the first dot is its branch. */
export type BlockLinear = string;

/** A linear layer y = W x + b of a block. */
export interface LinearSpec {
  readonly name: BlockLinear;
  /** Extents of W, `[out, in]`. */
  readonly shape: readonly [out: number, input: number];
  /** Outputs that a start value counts with: those of one square matrix where several are fused. */
  readonly fanOut: number;
  /** Name of the linear whose output, activated, is its whole input: both may be one function. @default none */
  readonly follows?: BlockLinear;
}

/** What a block's linears follow from. */
export interface BlockSizes {
  readonly width: number;
  readonly hidden: number;
  /** Whether queries, keys and values have a linear each, which may have experts of their own. */
  readonly splitAttention: boolean;
}

/** In the order in which tokens pass them. */
export const blockLinears = ({ width, hidden, splitAttention }: BlockSizes): readonly LinearSpec[] => {
  const linear = (name: BlockLinear, out: number, input: number, fanOut = out): LinearSpec => ({
    name,
    shape: [out, input],
    fanOut,
  });
  return [
    ...(splitAttention
      ? ['attention.query', 'attention.key', 'attention.value'].map((name) => linear(name, width, width))
      : [linear('attention.qkv', 3 * width, width, width)]),
    linear('attention.output', width, width),
    linear('ffn.fc1', hidden, width),
    { ...linear('ffn.fc2', width, hidden), follows: 'ffn.fc1' },
  ];
};

/** Branch of a block that a linear is part of, e.g. `attention`. */
export const branchOf = (linear: BlockLinear): string => linear.split('.')[0] ?? linear;
