/**
 * Losses that keep the experts of tokens in use and the logits of their routers small, over all routers of a forward
 * (Uni-Perceiver-MoE, section 4.2, after the Switch Transformer; the z-loss is that of ST-MoE). Each group of experts has
 * its own factors.
 */
import { weightedRouterLoss } from '@polygate/routers';
import * as tf from '@tensorflow/tfjs';
import type { AuxiliaryLosses } from '../routing/trace.ts';
import type { TokenExperts } from './token-experts.ts';

/** The scalars of {@link AuxiliaryLosses} as a tidy returns them: weighted, then the means by name. */
export interface LossScalars {
  readonly names: readonly string[];
  readonly scalars: readonly tf.Scalar[];
}

/** The sum with factors, on the tape, and means without, over the routers that computed each. */
export const auxiliaryScalars = (groups: readonly TokenExperts[]): LossScalars => {
  const values = new Map<string, number[]>();
  const weighted = groups.map(({ group, decisions }) => {
    const losses = [...decisions.values()].map(({ loss }) => loss);
    for (const loss of losses) {
      for (const [name, value] of Object.entries(loss.values)) {
        values.set(name, [...(values.get(name) ?? []), value]);
      }
    }
    return weightedRouterLoss(losses, group.settings.losses);
  });
  const [first = tf.scalar(0), ...others] = weighted;
  const total = others.length === 0 ? first : (tf.addN(weighted) as tf.Scalar);
  const means = [...values.values()].map((all) =>
    tf.scalar(all.reduce((sum, value) => sum + value, 0) / all.length),
  );
  return { names: [...values.keys()], scalars: [total, ...means] };
};

/** What a trace keeps of a forward. */
export const lossesOf = ({ names, scalars }: LossScalars): AuxiliaryLosses => {
  const [weighted, ...means] = scalars;
  return {
    weighted: weighted as tf.Scalar,
    means: Object.fromEntries(names.map((name, i) => [name, means[i] as tf.Scalar])),
  };
};
