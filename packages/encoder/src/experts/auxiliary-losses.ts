/**
 * Losses that keep the experts of tokens evenly loaded and the logits of their routers small, over all routers of a
 * forward (Uni-Perceiver-MoE, section 4.2, after the Switch Transformer; the z-loss is that of ST-MoE).
 */
import { weightedRouterLoss, type TokenDecision } from '@polygate/routers';
import * as tf from '@tensorflow/tfjs';
import type { ResolvedExperts } from '../config/expert-config.ts';
import type { AuxiliaryLosses } from '../routing/routing-trace.ts';

/** The scalars of {@link AuxiliaryLosses} as a tidy returns them: weighted, balance, z. */
export type LossScalars = [weighted: tf.Scalar, balance: tf.Scalar, z: tf.Scalar];

/** The sum with factors, on the tape, and means without. @param decisions of at least one router */
export const auxiliaryScalars = (
  decisions: Iterable<TokenDecision>,
  { balanceLoss, zLoss }: Pick<ResolvedExperts, 'balanceLoss' | 'zLoss'>,
): LossScalars => {
  const all = [...decisions].map(({ loss }) => loss);
  const mean = (name: 'balance' | 'z'): tf.Scalar =>
    tf.scalar(all.reduce((sum, loss) => sum + loss[name], 0) / all.length);
  return [weightedRouterLoss(all, { balance: balanceLoss, z: zLoss }), mean('balance'), mean('z')];
};

export const lossesOf = ([weighted, balance, z]: LossScalars): AuxiliaryLosses => ({ weighted, balance, z });
