/**
 * The end of a pre-norm branch: y = x + keep * gamma * branch, with LayerScale gamma per channel (Touvron et al. 2021)
 * and drop path keep per sample (0 or 1 / (1 - p), Huang et al. 2016). Gradients:
 *   dx = dy,  dbranch = dy * keep * gamma,  dgamma = sums over all but the last axis of dy * keep * branch.
 * Axes: B batch · D width.
 */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, present, runKernel, wantsGradient, withGradient } from './dispatch.ts';
import { columnSums, rows } from './products.ts';
import { expectShape, lastSize } from './shapes.ts';

/** Options of {@link residual}. */
export interface ResidualOptions {
  /** LayerScale, float32 [D]. */
  readonly scale?: tf.Tensor1D;
  /** Drop-path multipliers of the samples, float32 [B]; constants without a gradient. */
  readonly keep?: tf.Tensor1D;
}

const broadcastKeep = (keep: tf.Tensor1D, rank: number): tf.Tensor =>
  tf.reshape(keep, [keep.size, ...Array.from({ length: rank - 1 }, () => 1)]);

/** A dropped branch is not looked at: 0 times NaN is NaN. */
const times = (branch: tf.Tensor, keep: tf.Tensor): tf.Tensor =>
  tf.where(tf.equal(keep, 0), 0, tf.mul(branch, keep));

/**
 * @param x float32 [B, ..., D]; borrowed
 * @param branch float32 of x's shape; borrowed
 * @returns a new float32 tensor of x's shape
 * @throws ShapeError when the shapes do not fit
 */
export const residual = <T extends tf.Tensor>(x: T, branch: T, { scale, keep }: ResidualOptions = {}): T => {
  const width = lastSize(x, 'residual');
  expectShape(branch, x.shape, {
    operator: 'residual',
    name: 'branch',
    remedy: 'the branch has the shape of x',
  });
  if (scale) {
    expectShape(scale, [width], {
      operator: 'residual',
      name: 'scale',
      remedy: 'give one value for each feature',
    });
  }
  if (keep) {
    expectShape(keep, [x.shape[0] ?? 1], {
      operator: 'residual',
      name: 'keep',
      remedy: 'give one multiplier for each sample of the first axis',
    });
  }
  const wantsScale = scale !== undefined && wantsGradient(scale);
  const inputs: tf.Tensor[] = wantsScale && scale ? [x, branch, scale] : [x, branch];

  return withGradient(inputs, (save) => {
    save([...(wantsScale ? [branch] : []), ...(scale ? [scale] : []), ...(keep ? [keep] : [])]);
    const restore = (saved: readonly tf.Tensor[]) => {
      let at = 0;
      const next = (given: boolean): tf.Tensor | undefined => (given ? present(saved[at++]) : undefined);
      return { branch: next(wantsScale), scale: next(scale !== undefined), keep: next(keep !== undefined) };
    };
    if (hasKernel('PgResidual') && hasKernel('PgResidualGrad')) {
      return {
        value: present(runKernel('PgResidual', { x, branch, scale, keep })[0]),
        gradient: (dy, saved) => [
          dy.clone(),
          ...runKernel('PgResidualGrad', { dy, ...restore(saved) }, { wantsScale }),
        ],
      };
    }
    const kept = keep ? times(branch, broadcastKeep(keep, x.rank)) : branch;
    return {
      value: tf.add(x, scale ? tf.mul(kept, scale) : kept),
      gradient: (dy, saved) => {
        const inner = restore(saved);
        const column = inner.keep && broadcastKeep(inner.keep as tf.Tensor1D, dy.rank);
        const g = column ? times(dy, column) : dy;
        const gradients = [dy.clone(), inner.scale ? tf.mul(g, inner.scale) : g.clone()];
        if (inner.branch) {
          const along = tf.mul(dy, inner.branch);
          gradients.push(columnSums(rows(column ? times(along, column) : along)));
        }
        return gradients;
      },
    };
  }) as T;
};
