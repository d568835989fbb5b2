/**
 * Losses that keep the experts of tokens evenly loaded and the logits of their routers small, over all routers of a
 * forward (Uni-Perceiver-MoE, section 4.2, after the Switch Transformer; the z-loss is that of ST-MoE).
 */
import type { TokenDecision } from '@polygate/routers';
import * as tf from '@tensorflow/tfjs';
import type { ResolvedExperts } from './expert-config.ts';
import type { AuxiliaryLosses } from './routing-trace.ts';

/** The scalars of {@link AuxiliaryLosses} as a tidy returns them: weighted, balance, z. */
export type LossScalars = [weighted: tf.Scalar, balance: tf.Scalar, z: tf.Scalar];

/** Sums with factors, and means without. On the tape. @param decisions of at least one router */
export const auxiliaryScalars = (
  decisions: Iterable<TokenDecision>,
  { balanceLoss, zLoss }: Pick<ResolvedExperts, 'balanceLoss' | 'zLoss'>,
): LossScalars => {
  const all = [...decisions].map(({ losses }) => losses);
  const balance = tf.addN(all.map((losses) => losses.balance)) as tf.Scalar;
  const z = tf.addN(all.map((losses) => losses.z)) as tf.Scalar;
  return [
    tf.add(tf.mul(balance, balanceLoss), tf.mul(z, zLoss)),
    tf.div(balance, all.length),
    tf.div(z, all.length),
  ];
};

export const lossesOf = ([weighted, balance, z]: LossScalars): AuxiliaryLosses => ({ weighted, balance, z });
