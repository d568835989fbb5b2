/**
 * Sparse upcycling: a conditional encoder that starts as a dense one (Komatsuzaki et al. 2022). Every expert is a copy of
 * the dense linear that it replaces, so that whatever experts are chosen, gates that sum to 1 give the dense output.
 * Departs from the paper in optional noise on the copies, which tells them apart from the first step on.
 */
import { ConfigError, type Random } from '@polygate/core';
import type { ParameterSet } from '@polygate/nn';
import type { Encoder } from './encoder.ts';
import type { ResolvedEncoderShape } from './shape-config.ts';
import { UniPerceiver } from './uni-perceiver.ts';

/** Settings of {@link upcycle}. */
export interface UpcycleOptions {
  /** Deviation of the noise on each expert's weight, in units of the dense weight's own deviation. @default 0 */
  readonly noise?: number;
  /** Needed for noise; forked by parameter name. */
  readonly random?: Random;
}

/** Fields that decide which parameters there are and what they mean. */
const SHAPE_FIELDS = [
  'layers',
  'width',
  'heads',
  'hidden',
  'vocabularySize',
  'prefixToken',
  'patch',
  'maxPositions',
  'maxFrames',
  'temperatures',
] as const satisfies readonly (keyof ResolvedEncoderShape)[];

const EXPERT_FIELDS = [
  'condition',
  'experts',
  'topK',
  'every',
  'attention',
  'ffn',
  'separateGates',
  'tasks',
  'modalities',
] as const;

/** Fields that differ, with both values. */
const differences = <A extends object>(
  fields: readonly (keyof A & string)[],
  model: A | undefined,
  start: A | undefined,
): string[] =>
  fields.flatMap((field) => {
    const [a, b] = [model, start].map((own) => JSON.stringify(own?.[field]) ?? 'none');
    return a === b ? [] : [`${field} (model ${a}, checkpoint ${b})`];
  });

const EXPERT_NAME = /^(.+)\.experts\.\d+\.(weight|bias)$/u;

/** Where a parameter starts from: its own name, or that of the dense linear that an expert copies. */
const sourceOf = (name: string, dense: boolean): string => {
  const [, path, part] = dense ? (EXPERT_NAME.exec(name) ?? []) : [];
  return path === undefined ? name : `${path}.${part}`;
};

const checkNoise = (noise: number, random: Random | undefined): void => {
  if (noise > 0 && random === undefined) {
    throw new ConfigError('upcycle: expected a random stream for the noise, got none; pass random');
  }
  if (!(noise >= 0 && noise < Infinity)) {
    throw new ConfigError(`upcycle: expected noise of at least 0, got ${noise}; 0 keeps the copies equal`);
  }
};

const addNoise = async (
  parameters: ParameterSet,
  name: string,
  { noise, random }: { readonly noise: number; readonly random: Random },
): Promise<void> => {
  const values = await parameters.read(name);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  const stream = random.fork(name);
  parameters.write(
    name,
    values.map((value) => value + noise * deviation * stream.normal()),
  );
};

/**
 * Starts an encoder from another one's weights: from a dense one, every expert is a copy of the linear that it replaces
 * and the routers keep their drawn start; from one with the same experts, all is taken as it is.
 *
 * Without noise the encoder then computes what the dense one does, where gates sum to 1 (renormalised, or all experts
 * chosen) and no token is dropped.
 * @param encoder changed in place; its merged cache is cleared
 * @param start borrowed
 * @throws ConfigError for encoders of other sizes, other placement or another condition, gates that don't sum to 1, or
 * noise without a random stream
 */
export const upcycle = async (
  encoder: UniPerceiver,
  start: Encoder,
  { noise = 0, random }: UpcycleOptions = {},
): Promise<void> => {
  checkNoise(noise, random);
  if (!(start instanceof UniPerceiver)) {
    throw new ConfigError(
      'upcycle: expected a trained encoder to start from, got one that was exported with merged experts; give the run that it was exported from',
      { code: 'merged-start' },
    );
  }
  const sizes = differences(SHAPE_FIELDS, encoder.config, start.config);
  if (sizes.length > 0) {
    throw new ConfigError(
      `upcycle: expected a checkpoint of the model's sizes, got others: ${sizes.join(', ')}; set the model to the checkpoint's sizes, or train a start of these`,
      { code: 'sizes-differ', fields: { differ: sizes } },
    );
  }
  const { moe } = encoder.config;
  const dense = start.config.moe === undefined;
  const experts = dense ? [] : differences(EXPERT_FIELDS, moe, start.config.moe);
  if (experts.length > 0) {
    throw new ConfigError(
      `upcycle: expected a dense checkpoint, or one whose experts are placed and chosen as the model's, got other experts: ${experts.join(', ')}; start from a dense checkpoint, or set model.moe to what the checkpoint has`,
      { code: 'experts-differ', fields: { differ: experts } },
    );
  }
  if (dense && moe && !moe.renormalize && moe.topK < moe.experts) {
    throw new ConfigError(
      `upcycle: expected gates that sum to 1, got the ${moe.topK} largest of ${moe.experts} as they are (renormalize: false), which would scale the dense output down; set renormalize: true`,
      { code: 'gates-below-one' },
    );
  }
  for (const { name, variable } of encoder.parameters.entries()) {
    const source = sourceOf(name, dense);
    if (!start.parameters.has(source)) continue;
    variable.assign(start.parameters.get(source));
    const own = noise > 0 && random && source !== name && name.endsWith('.weight');
    if (own) await addNoise(encoder.parameters, name, { noise, random });
  }
  encoder.clearMergedCache();
};
