/**
 * Parameter counts: exact ones by part, and the figures of Uni-Perceiver-MoE, Table 6 and Table 4.
 *
 * The rule behind the paper's figures is not written there. This one gives every printed number:
 * - vocabulary: the word table alone;
 * - encoder: the matrices of the four linears of each block, one set of them, and the matrix of the output projection;
 *   no vectors (biases, norms, LayerScale), no patch or position embeddings, no routers;
 * - each column is rounded (to 0.1 million where the encoder is below 10 million, else to a million), and the total is
 *   the sum of the rounded columns (Ti 9.5 + 5.3 = 14.8, B 38 + 86 = 124, L 51 + 303 = 354);
 * - deployed: the total and, for each merged weight set beyond the first, the conditional linears once more, weights
 *   and biases, rounded likewise (B 124 + 43 = 167, L 354 + 151 = 505). Image-text models keep two sets, one for the
 *   visual input and one for text.
 * Where every token chooses its own experts nothing is merged, and deployed counts all experts, without routers.
 * Adding before rounding would give 123 for B: 37.95 + 85.52 million.
 */
import { modalityNamed } from '@polygate/modalities';
import { sizeOf, type ParameterSpec } from '@polygate/nn';
import { describeBody } from '../blocks/body-description.ts';
import { PREFIX_PARAMETER } from '../sequence/embedding.ts';
import { resolveEncoderConfig, type EncoderConfig, type ResolvedEncoderConfig } from '../config/config.ts';
import { blockLinears } from '../blocks/linears.ts';
import { conditionOf, type ExpertGroup } from '../config/expert-groups.ts';
import { describeGroupRouters } from '../experts/group-routers.ts';
import { groupAt } from '../experts/sites.ts';

/**
 * Disjoint parts of an encoder; every parameter is in exactly one. The parts of modalities (`vocabulary`, `text embedding`,
 * `visual embedding`, ...) are what their records say; the others are `embedding norm`, `prefix`, `shared linears`,
 * `experts`, `block norms and scales`, `routers`, `output head` and `temperatures`.
 */
export type ParameterPart = string;

/** Parts that every encoder has, in the order of reports. */
const COMMON_PARTS = [
  'embedding norm',
  'shared linears',
  'experts',
  'block norms and scales',
  'routers',
  'output head',
  'temperatures',
] as const;

/** Scalars by part. */
export type ParameterParts = Record<ParameterPart, number> & Record<(typeof COMMON_PARTS)[number], number>;

/** The paper's columns, in scalars after rounding. */
export interface PublishedCounts {
  readonly vocabulary: number;
  readonly encoder: number;
  readonly total: number;
  readonly deployed: number;
  /** Scalars that one unit of the last printed digit stands for: 1e5 or 1e6. */
  readonly unit: number;
}

/** What a group of experts comes to. */
export interface GroupAccount {
  readonly name: string;
  readonly mergeable: boolean;
  /** Weight sets that a deployed model keeps; the number of experts where they can't be merged. */
  readonly rows: number;
  /** Scalars of one set: weights and biases of its linears. */
  readonly mergedSet: number;
}

/** What an encoder holds. Exact scalars, but for `published`. */
export interface ParameterAccount {
  readonly parts: Readonly<ParameterParts>;
  /** All that is trained: the sum of the parts, every expert counted. */
  readonly trained: number;
  /** The same encoder without experts: one weight set and no routers. */
  readonly dense: number;
  /** Whether experts can be merged for deployment: they are chosen before a token is embedded. True for a dense encoder. */
  readonly mergeable: boolean;
  /**
   * After merging: `dense` and one more set of the conditional linears for each further row. All that is trained where
   * every token chooses its own experts.
   */
  readonly deployed: number;
  /** Scalars of one merged set: weights and biases of all conditional linears. */
  readonly mergedSet: number;
  /** Merged sets that `deployed` counts of a group, at most; the number of experts where they can't be merged. */
  readonly rows: number;
  /** The same by group of experts. */
  readonly groups: readonly GroupAccount[];
  readonly published: PublishedCounts;
}

/** The part of each parameter that embeds a modality. */
const embeddingParts = ({ modalities, width }: ResolvedEncoderConfig): ReadonlyMap<string, ParameterPart> =>
  new Map(
    Object.entries(modalities).flatMap(([name, settings]) => {
      const modality = modalityNamed(name);
      const partOf = (parameter: string): string => modality.partOf?.(parameter) ?? `${name} embedding`;
      return modality.parameters(settings, width).map((spec) => [spec.name, partOf(spec.name)] as const);
    }),
  );

const partOf = (name: string): ParameterPart => {
  if (name === PREFIX_PARAMETER) return 'prefix';
  if (name.startsWith('embedding.norm')) return 'embedding norm';
  if (name.includes('.experts.')) return 'experts';
  if (name.startsWith('routers.')) return 'routers';
  if (name.startsWith('head.')) return 'output head';
  if (name.startsWith('temperature.')) return 'temperatures';
  return /\.(?:norm|scale)[12]/u.test(name) ? 'block norms and scales' : 'shared linears';
};

const countParts = (specs: readonly ParameterSpec[], config: ResolvedEncoderConfig): ParameterParts => {
  const ofModality = embeddingParts(config);
  const named = specs.map(
    ({ name, shape }) => [ofModality.get(name) ?? partOf(name), sizeOf(shape)] as const,
  );
  const embedded = named.map(([part]) => part).filter((part) => !COMMON_PARTS.some((each) => each === part));
  const parts = Object.fromEntries([...embedded, ...COMMON_PARTS].map((part) => [part, 0])) as ParameterParts;
  for (const [part, size] of named) parts[part] = (parts[part] ?? 0) + size;
  return parts;
};

/**
 * Scalars of each part: those outside of the blocks from their description, those of the blocks by multiplication, so
 * that the time does not grow with the experts.
 */
const countAll = (resolved: ResolvedEncoderConfig): ParameterParts => {
  const { layers, moe } = resolved;
  const none = { copies: () => [] };
  const outside = describeBody({ ...resolved, layers: 0 }, none);
  const parts = countParts([...outside, ...describeGroupRouters(resolved)], resolved);
  // A block without its linears: norms and scales.
  const block = countParts(describeBody({ ...resolved, layers: 1 }, none), resolved);
  const name = 'block norms and scales';
  parts[name] += layers * block[name];
  for (let at = 0; at < layers; at += 1) {
    for (const { name: linear, shape } of blockLinears(resolved)) {
      const [out, input] = shape;
      const size = out * input + out;
      const group = groupAt(moe, { block: at, linear });
      if (group) parts.experts += group.experts * size;
      else parts['shared linears'] += size;
    }
  }
  return parts;
};

const TENTHS_BELOW = 10e6;

/** Whether the experts of a group can be merged. */
const isMergeable = (group: ExpertGroup, { moe }: ResolvedEncoderConfig): boolean =>
  conditionOf(group, moe ?? { tasks: [], modalities: [] }).dataIndependent;

/**
 * Merged sets of a group in a deployed model: the paper's two for image and text, or one for each task where tasks have
 * their own.
 */
const defaultRows = (group: ExpertGroup, { moe }: ResolvedEncoderConfig): number => {
  const { reads } = conditionOf(group, moe ?? { tasks: [], modalities: [] });
  return reads.includes('task') ? (moe?.tasks.length ?? 1) : 2;
};

/** Scalars of one weight set of a group: weights and biases of its linears. */
const setSize = ({ blocks, linears }: ExpertGroup, resolved: ResolvedEncoderConfig): number => {
  const names = linears.flat();
  const size = blockLinears(resolved)
    .filter(({ name }) => names.includes(name))
    .reduce((sum, { shape: [out, input] }) => sum + out * input + out, 0);
  return blocks.length * size;
};

/**
 * Counts the parameters of an encoder; allocates none.
 * @param served merged weight sets that a deployed model keeps of each group, e.g. 1 for one modality. @default 2, for
 * image and text; the number of tasks for conditions on the task
 * @throws ConfigError for a configuration that makes no encoder
 */
export const accountParameters = (config: EncoderConfig, served?: number): ParameterAccount => {
  const resolved = resolveEncoderConfig(config);
  const { layers, width } = resolved;
  const groups = (resolved.moe?.groups ?? []).map((group) => {
    const mergedByRow = isMergeable(group, resolved);
    const rows = mergedByRow ? (served ?? defaultRows(group, resolved)) : group.experts;
    return { name: group.name, mergeable: mergedByRow, rows, mergedSet: setSize(group, resolved) };
  });
  const parts = countAll(resolved);
  const matrices =
    width * width +
    layers * blockLinears(resolved).reduce((sum, { shape: [out, input] }) => sum + out * input, 0);
  const mergedSet = groups.reduce((sum, group) => sum + group.mergedSet, 0);
  // Further sets of each group, beyond the one that a dense encoder has.
  const further = groups.reduce((sum, group) => sum + (group.rows - 1) * group.mergedSet, 0);
  const mergeable = groups.every((group) => group.mergeable);
  const trained = Object.values(parts).reduce((sum, count) => sum + count, 0);
  const dense = trained - parts.experts - parts.routers + mergedSet;
  const unit = matrices < TENTHS_BELOW ? 1e5 : 1e6;
  const rounded = (count: number): number => Math.round(count / unit) * unit;
  const vocabulary = rounded(parts['vocabulary'] ?? 0);
  const encoder = rounded(matrices);
  const total = vocabulary + encoder;
  return {
    parts,
    trained,
    dense,
    mergeable,
    deployed: mergeable ? dense + further : trained,
    mergedSet,
    rows: Math.max(...groups.map(({ rows }) => rows), groups.length > 0 ? 1 : (served ?? 2)),
    groups,
    published: { vocabulary, encoder, total, deployed: total + rounded(further), unit },
  };
};
