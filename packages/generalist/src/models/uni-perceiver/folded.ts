/**
 * An adapter in the weights of its encoder: what it adds to linears, and its values in place of parameters. Exact up to the
 * rounding of one sum in single precision.
 */
import { ConfigError, createRandom } from '@polygate/core';
import { conditionOf, createUniPerceiver, type Encoder, type ExpertGroup } from '@polygate/encoder';
import { createMergedEncoder, isMergedConfig } from '@polygate/encoder/merged';
import { copyParameters, type ParameterSet } from '@polygate/nn';
import { renormalizes } from '@polygate/routers';
import * as tf from '@tensorflow/tfjs';
import type { Adapter } from '../../tuning/adapter.ts';
import type { LowRankExport } from '../model.ts';
import type { LinearPlace } from '../../tuning/tuning-method.ts';
import { isTrained } from './routing.ts';

/** The weight of a linear by the name of its parameter; of a linear in copies that of one copy. */
interface WeightPlace extends LinearPlace {
  readonly parameter: string;
}

/** Weights of the linears of blocks, in the order of the parameters. */
const weightPlaces = ({ specs }: Pick<ParameterSet, 'specs'>): readonly WeightPlace[] =>
  specs.flatMap(({ name, role }) => {
    const [, block, linear, expert] =
      /^blocks\.(\d+)\.(\w+\.\w+)(?:\.merged\.\d+|\.experts\.(\d+))?\.weight$/u.exec(name) ?? [];
    if (role !== 'weight' || linear === undefined) return [];
    const expertPart = expert === undefined ? {} : { expert: Number(expert) };
    return [{ parameter: name, block: Number(block), linear, ...expertPart }];
  });

/** Why experts can't take what is added beside all of them; undefined where they can. */
const whyUnshared = (group: ExpertGroup, tokens: boolean): string | undefined => {
  const { condition, topK, topKByModality, renormalize, capacityFactor } = group;
  const counts = [topK, ...Object.values(topKByModality)];
  if (!counts.every((count) => renormalizes(renormalize, count))) {
    return `those of "${group.name}", whose shares of a token add up to less than 1`;
  }
  return tokens && capacityFactor !== 'dropless'
    ? `those of "${group.name}" by ${condition}, of which a token may get none`
    : undefined;
};

/** @throws ConfigError (code `not-foldable`) for experts that can't take what is added beside all of them */
const requireShares = (encoder: Encoder, adapter: Adapter): void => {
  const { moe } = isTrained(encoder) ? encoder.config : {};
  if (!moe) return;
  const isBeside = (block: number, linear: string): boolean =>
    tf.tidy(() => adapter.added({ block, linear }) !== undefined);
  for (const group of moe.groups) {
    const why = whyUnshared(group, !conditionOf(group, moe).dataIndependent);
    if (why === undefined) continue;
    if (!group.blocks.some((block) => group.linears.flat().some((linear) => isBeside(block, linear))))
      continue;
    throw new ConfigError(
      `adapter: expected experts that can take what is added beside them into their weights, got ${why}; keep the adapter beside its base, or tune with experts=each`,
      { code: 'not-foldable', fields: { group: group.name } },
    );
  }
};

/** What an adapter adds to a weight: to that of an expert what is its own, and what stands beside all of them. */
const sumOf = (adapter: Adapter, { block, linear, expert }: LinearPlace): tf.Tensor2D | undefined => {
  const expertChange = expert === undefined ? undefined : adapter.added({ block, linear, expert });
  const beside = adapter.added({ block, linear });
  return expertChange && beside ? tf.add(expertChange, beside) : (expertChange ?? beside);
};

/** Adds an adapter to the weights that it is for, and puts its values in place of parameters. */
export const foldInto = (parameters: ParameterSet, adapter: Adapter): void => {
  const assign = (name: string, value: tf.Tensor): void => void parameters.get(name).assign(value);
  for (const weightPlace of weightPlaces(parameters)) {
    tf.tidy(() => {
      const added = sumOf(adapter, weightPlace);
      if (added) assign(weightPlace.parameter, tf.add(parameters.get(weightPlace.parameter), added));
    });
  }
  for (const { name } of parameters.specs) {
    const value = adapter.encoder.replaced?.(name);
    // A buffer of its own: `assign` alone shares the source's, which engines may update in place.
    if (value) tf.tidy(() => assign(name, tf.mul(value, 1)));
  }
};

/** An encoder of its own with the same weights. */
const copyEncoder = (encoder: Encoder): Encoder => {
  const { config } = encoder;
  const copy = isMergedConfig(config)
    ? createMergedEncoder(config)
    : createUniPerceiver(config, createRandom(0));
  copyParameters(encoder.parameters, copy.parameters);
  return copy;
};

/** Whether an adapter adds something to experts of their own, which must be there before these are merged. */
export const changesExperts = ({ parameters }: Encoder, adapter: Adapter): boolean =>
  tf.tidy(() =>
    weightPlaces(parameters).some(
      (weightPlace) => weightPlace.expert !== undefined && adapter.added(weightPlace) !== undefined,
    ),
  );

/**
 * A copy of an encoder with an adapter in its weights; the caller's.
 * @throws ConfigError (code `not-foldable`) as {@link requireShares}
 */
export const foldedEncoder = (encoder: Encoder, adapter: Adapter): Encoder => {
  requireShares(encoder, adapter);
  const copy = copyEncoder(encoder);
  foldInto(copy.parameters, adapter);
  return copy;
};

/**
 * The products of an adapter that has nothing else, by the weight that each is added to.
 * @throws ConfigError (code `not-foldable`) as {@link requireShares}
 */
export const lowRankExport = (encoder: Encoder, adapter: Adapter): LowRankExport => {
  requireShares(encoder, adapter);
  const { lowRank } = adapter;
  if (!lowRank) throw new RangeError('internal: expected an adapter of products');
  const { factors, ...rule } = lowRank;
  const { specs } = encoder.parameters;
  const products = weightPlaces({ specs }).flatMap(({ parameter, block, linear, expert }) => {
    const expertFactors = expert === undefined ? undefined : factors({ block, linear, expert });
    const product = expertFactors ?? factors({ block, linear });
    return product ? [{ parameter, ...product }] : [];
  });
  const replaced = specs.flatMap(({ name }) => {
    const value = adapter.encoder.replaced?.(name);
    return value ? [{ name, value }] : [];
  });
  return { ...rule, products, replaced };
};
