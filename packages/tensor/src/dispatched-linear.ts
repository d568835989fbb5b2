/**
 * A linear layer whose experts are chosen token by token (sparse mixture of experts: Shazeer et al. 2017, Eq. 1;
 * Uni-Perceiver-MoE, Eq. 2 with conditions on the token):
 *   z[n] = sum over the slots (n, e) of g[n, e] (W_e x[n] + b_e),   y = act(z).
 * A token without a slot gives z[n] = 0: the residual connection around the layer passes it on. Gradients, with
 * dz = dy * act'(z) and sums over slots:
 *   dx[n] = sum_e g[n, e] dz[n] W_e,   dW_e = sum_n g[n, e] dz[n]^T x[n],   db_e = sum_n g[n, e] dz[n],
 *   dg[n, e] = <dz[n], W_e x[n] + b_e>.
 * Experts without a slot are no inputs of the node: they receive no gradient at all.
 * Axes: N tokens · I inputs · O outputs · E experts · M slots · U used experts · C padded slots · K slots of a token.
 */
import { ConfigError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { hasKernel, present, runKernel, wantsGradient, withGradient } from './dispatch.ts';
import { expectPlan, usedExperts, type DispatchPlan } from './dispatch-plan.ts';
import { dispatchTables, type DispatchTables } from './dispatch-tables.ts';
import { gaussianDistribution } from './gaussian.ts';
import { composeGelu, composeGeluGradient } from './gelu.ts';
import { expectExperts, type LinearExpert } from './merge-experts.ts';
import { batchedProduct } from './products.ts';
import { expectShape } from './shapes.ts';
import { expectRowRates, ratedRows } from './weight-rates.ts';

/** Options of {@link dispatchedLinear}. */
export interface DispatchedLinearOptions {
  /** float32 [N, E]; read where the plan has a slot. */
  readonly gates: tf.Tensor2D;
  /** E experts of one shape. */
  readonly experts: readonly LinearExpert[];
  readonly plan: DispatchPlan;
  /** Applied to the sum over experts; `gelu` is the exact form. @default 'none' */
  readonly activation?: 'none' | 'gelu';
  /**
   * float32 [...] as the leading axes of x: factors of tokens in the gradients of weights and biases alone, constants
   * without a gradient; see weight-rates.ts. @default 1
   */
  readonly weightRates?: tf.Tensor | undefined;
}

const indices = (values: Int32Array): tf.Tensor1D => tf.tensor1d(values, 'int32');

/** `[count, 1]` gates of the padded slots, zero at padding. */
const slotGates = (gates: tf.Tensor2D, { gateOfSlot, slotMask }: DispatchTables): tf.Tensor2D =>
  tf.reshape(tf.mul(tf.gather(tf.reshape(gates, [-1]), indices(gateOfSlot)), tf.tensor1d(slotMask)), [
    slotMask.length,
    1,
  ]);

/** `weighted [U * C, D]` summed over the slots of each token -> [N, D]. */
const combine = (weighted: tf.Tensor2D, { slotOfToken, tokenMask, most }: DispatchTables): tf.Tensor2D => {
  const width = weighted.shape[1];
  const count = slotOfToken.length / most;
  const parts = tf.reshape(tf.gather(weighted, indices(slotOfToken)), [count, most, width]);
  return tf.sum(tf.mul(parts, tf.tensor3d(tokenMask, [count, most, 1])), 1) as tf.Tensor2D;
};

interface Stacked {
  /** [U, O, I] */
  readonly weight: tf.Tensor3D;
  /** [U, 1, O] */
  readonly bias: tf.Tensor3D;
}

const stackExperts = (experts: readonly LinearExpert[]): Stacked => ({
  weight: tf.stack(experts.map(({ weight }) => weight)) as tf.Tensor3D,
  bias: tf.reshape(tf.stack(experts.map(({ bias }) => bias)), [experts.length, 1, -1]) as tf.Tensor3D,
});

/** The sum z [N, O] and, for the gradient to the gates, W_e x + b_e of each padded slot, [U * C, O]. */
const composeForward = (
  x: tf.Tensor2D,
  { gates, experts }: { readonly gates: tf.Tensor2D; readonly experts: readonly LinearExpert[] },
  tables: DispatchTables,
): { z: tf.Tensor2D; slotValues: tf.Tensor2D } => {
  const { weight, bias } = stackExperts(experts);
  const used = experts.length;
  const grouped = tf.reshape(tf.gather(x, indices(tables.tokenOfSlot)), [used, tables.slots, x.shape[1]]);
  const values = tf.add(batchedProduct(grouped as tf.Tensor3D, weight, { transposeB: true }), bias);
  const slotValues = tf.reshape(values, [used * tables.slots, bias.shape[2]]) as tf.Tensor2D;
  return { z: combine(tf.mul(slotValues, slotGates(gates, tables)), tables), slotValues };
};

interface SavedForGradient {
  readonly x: tf.Tensor2D;
  readonly gates: tf.Tensor2D;
  readonly experts: readonly LinearExpert[];
  readonly slotValues: tf.Tensor2D;
  /** [N] */
  readonly rates: tf.Tensor1D | undefined;
}

/** Gradients in the order x, gates, then weight and bias of each used expert. */
const composeGradient = (dz: tf.Tensor2D, saved: SavedForGradient, tables: DispatchTables): tf.Tensor[] => {
  const { x, gates, experts, slotValues, rates } = saved;
  const used = experts.length;
  const { slots, tokenOfSlot } = tables;
  const { weight } = stackExperts(experts);
  const [, outputs, inputs] = weight.shape;
  const toSlots = tf.gather(dz, indices(tokenOfSlot));
  const gateGradients = tf.sum(tf.mul(toSlots, slotValues), 1);
  const dGates = tf.reshape(
    tf.mul(tf.gather(gateGradients, indices(tables.slotOfGate)), tf.tensor1d(tables.gateMask)),
    gates.shape,
  );
  const weighted = tf.reshape(tf.mul(toSlots, slotGates(gates, tables)), [
    used,
    slots,
    outputs,
  ]) as tf.Tensor3D;
  const dSlots = tf.reshape(batchedProduct(weighted, weight), [used * slots, inputs]) as tf.Tensor2D;
  const dx = combine(dSlots, tables);
  const grouped = tf.reshape(tf.gather(x, indices(tokenOfSlot)), [used, slots, inputs]) as tf.Tensor3D;
  const rated = rates
    ? (tf.mul(weighted, tf.reshape(tf.gather(rates, indices(tokenOfSlot)), [used, slots, 1])) as tf.Tensor3D)
    : weighted;
  const dWeights = tf.unstack(batchedProduct(rated, grouped, { transposeA: true }));
  const dBiases = tf.unstack(tf.sum(rated, 1));
  return [dx, dGates, ...dWeights.flatMap((dWeight, at) => [dWeight, present(dBiases[at])])];
};

const check = (x: tf.Tensor, options: DispatchedLinearOptions): readonly [number, number] => {
  const operator = 'dispatchedLinear';
  const { gates, experts, plan, activation = 'none' } = options;
  const [outputs, inputs] = expectExperts(experts, operator);
  const leading = x.shape.slice(0, -1);
  expectShape(x, [...(x.rank < 2 ? [null] : leading.map(() => null)), inputs], {
    operator,
    name: 'x [..., I]',
    remedy: 'the last axis is the input width of the experts, those before it are tokens',
  });
  const count = leading.reduce((product, size) => product * size, 1);
  expectShape(gates, [count, experts.length], {
    operator,
    name: 'gates [N, E]',
    remedy: 'give one gate row for each token and one column for each expert',
  });
  expectPlan(plan, { operator, count, experts: experts.length });
  if (activation !== 'none' && activation !== 'gelu') {
    throw new ConfigError(
      `dispatchedLinear: expected activation 'none' or 'gelu', got '${String(activation)}'; apply others after it`,
    );
  }
  return [count, outputs];
};

/**
 * @param x float32 [..., I], N tokens over the leading axes; borrowed
 * @param options gates, experts and the plan that routing made; borrowed
 * @returns a new float32 tensor [..., O]
 * @throws ShapeError when the sizes do not fit or the plan names tokens that do not exist
 */
export const dispatchedLinear = <X extends tf.Tensor>(x: X, options: DispatchedLinearOptions): X => {
  const [count, outputs] = check(x, options);
  const { gates, experts, plan, activation = 'none', weightRates: rates } = options;
  if (rates) expectRowRates(rates, x, 'dispatchedLinear');
  const rated = rates ? [rates] : [];
  const used = usedExperts(plan);
  const shape = [...x.shape.slice(0, -1), outputs];
  if (used.length === 0) return tf.zeros(shape) as X;
  const dispatched = used.map((id) => present(experts[id]));
  const ownTensors = dispatched.flatMap(({ weight, bias }) => [weight, bias]);
  const expertsOf = (tensors: readonly tf.Tensor[]): LinearExpert[] =>
    used.map((_, at) => ({
      weight: tensors[2 * at] as tf.Tensor2D,
      bias: tensors[2 * at + 1] as tf.Tensor1D,
    }));

  const wantsWeights = ownTensors.some(wantsGradient);
  return withGradient([x, gates, ...ownTensors], (save, recorded) => {
    if (hasKernel('PgDispatchedLinear') && hasKernel('PgDispatchedLinearGrad')) {
      const tokens = plan.slots ?? indices(plan.tokens);
      const attributes = { starts: plan.starts, used, activation, keep: recorded, held: !recorded };
      const [y, z] = runKernel(
        'PgDispatchedLinear',
        { x, gates, tokens },
        { ...attributes, experts: dispatched },
      );
      save([x, gates, tokens, ...ownTensors, ...rated, ...(z ? [z] : [])]);
      return {
        value: present(y),
        gradient: (dy, [savedX, savedGates, slots, ...rest]) => {
          const z = rest[ownTensors.length + rated.length];
          const run = (of: tf.Tensor): tf.Tensor[] => {
            const inputs = { dy: of, x: savedX, gates: savedGates, tokens: slots, z };
            return runKernel('PgDispatchedLinearGrad', inputs, { ...attributes, experts: expertsOf(rest) });
          };
          const gradients = run(dy);
          if (!rates || !wantsWeights) return gradients;
          // What is scaled and what is not are two calls of the engine.
          const scaled = run(ratedRows(dy, present(rest[ownTensors.length])));
          return [...gradients.slice(0, 2), ...scaled.slice(2)];
        },
      };
    }
    const tables = dispatchTables(plan, used, count);
    const flat = tf.reshape(x, [count, -1]) as tf.Tensor2D;
    const { z, slotValues } = composeForward(flat, { gates, experts: dispatched }, tables);
    save([flat, gates, ...ownTensors, ...rated, slotValues, ...(activation === 'gelu' ? [z] : [])]);
    return {
      value: tf.reshape(activation === 'gelu' ? composeGelu(z).value : z, shape),
      gradient: (dy, [savedX, savedGates, ...rest]) => {
        const [savedValues, savedZ] = rest.slice(ownTensors.length + rated.length);
        const given = tf.reshape(dy, [count, outputs]) as tf.Tensor2D;
        const dz = savedZ ? composeGeluGradient(given, savedZ, gaussianDistribution(savedZ)) : given;
        const [dx, ...others] = composeGradient(
          dz as tf.Tensor2D,
          {
            x: present(savedX) as tf.Tensor2D,
            gates: present(savedGates) as tf.Tensor2D,
            experts: expertsOf(rest),
            slotValues: present(savedValues) as tf.Tensor2D,
            rates: rates ? tf.reshape(present(rest[ownTensors.length]), [-1]) : undefined,
          },
          tables,
        );
        return [tf.reshape(present(dx), x.shape), ...others];
      },
    };
  }) as X;
};
