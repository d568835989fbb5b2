/**
 * Which linears of an encoder get a pair of thin matrices, by names and patterns, and how the pairs are named.
 *
 * Queries, keys and values are one linear or three. Their names mean the same on both: `attention.qkv` is one pair of the
 * fused linear, as peft has it, or one for each of the three; `attention.query`, `attention.key` and `attention.value` are
 * linears of their own, or the third of the fused one that they are, as the authors' code has it (loralib `MergedLinear`).
 */
import { ConfigError, unknownName } from '@polygate/core';
import { blockLinears, type BlockLinear, type ExpertRef, type ResolvedEncoderShape } from '@polygate/encoder';
import type { ParameterSpec } from '@polygate/nn';

const FUSED = 'attention.qkv';
const THIRDS = ['attention.query', 'attention.key', 'attention.value'] as const;

/** A linear of a block that gets a pair. */
export interface LowRankTarget {
  /** Name of the pair. */
  readonly name: string;
  /** The linear of the block. */
  readonly linear: BlockLinear;
  readonly input: number;
  /** Outputs that the pair has. */
  readonly out: number;
}

/** A pair, by block and, where each expert has one, by expert. */
export interface LowRankSite extends LowRankTarget {
  readonly block: number;
  readonly expert?: number;
}

/** Which linears and blocks are meant. */
export interface LowRankChoice {
  readonly linears: readonly string[];
  /** @default all */
  readonly blocks?: readonly number[] | undefined;
  readonly experts: 'shared' | 'each';
}

/** The pairs of a third of a linear each that it may have; none but of the fused one. */
export const thirdsOf = (
  linear: BlockLinear,
): readonly { readonly name: string; readonly third: number }[] =>
  linear === FUSED ? THIRDS.map((name, third) => ({ name, third })) : [];

const fits = (pattern: string, name: string): boolean =>
  pattern === name || (pattern.endsWith('*') && name.startsWith(pattern.slice(0, -1)));

/** The linears of a block that names and patterns mean, each once. @throws ConfigError listing the names that there are */
const lowRankTargets = (
  patterns: readonly string[],
  shape: Pick<ResolvedEncoderShape, 'width' | 'hidden' | 'splitAttention'>,
): readonly LowRankTarget[] => {
  const whole = blockLinears(shape).map(({ name, shape: [out, input] }): LowRankTarget => ({
    name,
    linear: name,
    input,
    out,
  }));
  const { width } = shape;
  const thirds = THIRDS.map((name): LowRankTarget => ({ name, linear: FUSED, input: width, out: width }));
  const targets = patterns.flatMap((pattern) => {
    const exact = whole.filter(({ name }) => fits(pattern, name));
    if (exact.length > 0) return exact;
    const other = shape.splitAttention
      ? whole.filter(({ linear }) => pattern === FUSED && THIRDS.some((name) => name === linear))
      : thirds.filter(({ name }) => name === pattern);
    if (other.length > 0) return other;
    throw unknownName('linear of tune.linears', pattern, [
      ...whole.map(({ name }) => name),
      'attention.*',
      'ffn.*',
      ...(shape.splitAttention ? [FUSED] : THIRDS),
    ]);
  });
  return targets.filter(({ name }, i) => targets.findIndex((each) => each.name === name) === i);
};

/** Experts of each linear by its path, counted from the parameters of a base. */
const expertsByPath = (base: readonly ParameterSpec[]): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>();
  for (const { name } of base) {
    const path = /^(blocks\.\d+\..+)\.experts\.\d+\.weight$/u.exec(name)?.[1];
    if (path !== undefined) counts.set(path, (counts.get(path) ?? 0) + 1);
  }
  return counts;
};

/**
 * All pairs of an encoder.
 * @throws ConfigError for a name or block that there is not, and for experts of a base whose experts were merged
 */
export const lowRankSites = (
  { linears, blocks, experts }: LowRankChoice,
  { encoder, base }: { readonly encoder: ResolvedEncoderShape; readonly base: readonly ParameterSpec[] },
): readonly LowRankSite[] => {
  const targets = lowRankTargets(linears, encoder);
  const all = Array.from({ length: encoder.layers }, (_, block) => block);
  const strange = blocks?.find((block) => !all.includes(block));
  if (strange !== undefined) {
    throw new ConfigError(
      `tune: expected blocks of 0 to ${encoder.layers - 1}, got ${strange}; correct tune.blocks`,
      { fields: { block: strange, layers: encoder.layers } },
    );
  }
  const counts = experts === 'each' ? expertsByPath(base) : new Map<string, number>();
  if (experts === 'each' && base.some(({ name }) => name.includes('.merged.'))) {
    throw new ConfigError(
      'tune: expected a base with its experts for experts=each, got one whose experts were merged by an export; tune or open it on the run that it was exported from, or leave tune.experts out',
      { code: 'experts-merged' },
    );
  }
  return all
    .filter((block) => blocks?.includes(block) ?? true)
    .flatMap((block) =>
      targets.flatMap((target): LowRankSite[] => {
        const count = counts.get(`blocks.${block}.${target.linear}`);
        return count === undefined
          ? [{ ...target, block }]
          : Array.from({ length: count }, (_, expert) => ({ ...target, block, expert }));
      }),
    );
};

/** Name of a parameter of a pair: A is [rank, input], B [out, rank]. */
export const lowRankName = (
  { block, name, expert }: Pick<LowRankSite, 'block' | 'name'> & Partial<Pick<ExpertRef, 'expert'>>,
  matrix: 'a' | 'b',
): string => `adapter.lora.${block}.${name}${expert === undefined ? '' : `.experts.${expert}`}.${matrix}`;
