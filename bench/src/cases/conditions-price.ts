/**
 * What each routing condition costs: the tiny encoder (12 layers, width 192, 197 tokens) with 8 experts, 2 chosen, in all
 * layers, against its dense form (Uni-Perceiver-MoE, Table 3: 1.4 to 2.2 times in training, 1.0 to 2.6 in inference).
 * Conditions on rows infer with merged weights; those on tokens dispatch, with the paper's capacity factors, 1 in
 * training and 2 in evaluation.
 *
 * POLYGATE_BENCH_BATCH sets another batch than 64.
 */
import { ConfigError, createRandom, StateError } from '@polygate/core';
import { presets, type EncoderConfig, type UniPerceiver } from '@polygate/encoder';
import { dispatchedLinear, linear, selectEngine, type LinearExpert } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { availableParallelism } from 'node:os';
import { measurePair, type PairLine } from '../pair.ts';
import { createTrainer, makeInput, sharedSizes, TASK, validateMerged } from './image-text.ts';

const DEFAULT_BATCH = 64;
const EXPERTS = 8;
const CHOSEN = 2;

/** Tasks of the condition on tasks; the samples are the last one's. */
const tasks = ['classification', 'masked-words', TASK];

const dense: EncoderConfig = { ...presets.ti, ...sharedSizes };
const conditional = (condition: string): EncoderConfig => ({
  ...dense,
  moe: { experts: EXPERTS, topK: CHOSEN, condition, tasks },
});

const conditions = [
  { condition: 'task', merges: true },
  { condition: 'modality', merges: true },
  { condition: 'attribute', merges: true },
  { condition: 'token', merges: false },
  { condition: 'context', merges: false },
] as const;

const batchSize = (): number => {
  const text = process.env['POLYGATE_BENCH_BATCH'];
  const batch = text === undefined ? DEFAULT_BATCH : Number(text);
  if (Number.isInteger(batch) && batch >= 1) return batch;
  throw new ConfigError(
    `conditions-price: expected POLYGATE_BENCH_BATCH to be a whole number of at least 1, got "${text}"`,
  );
};

/** Experts of a linear as the encoder holds them. */
const expertsOf = (model: UniPerceiver, path: string): readonly LinearExpert[] =>
  Array.from({ length: EXPERTS }, (_, e) => ({
    weight: model.parameters.get(`${path}.experts.${e}.weight`) as tf.Tensor as tf.Tensor2D,
    bias: model.parameters.get(`${path}.experts.${e}.bias`) as tf.Tensor as tf.Tensor1D,
  }));

/** Two different experts for each token, with gates that sum to 1, and the slots that hold all of them. */
const drawDispatch = (count: number) => {
  const random = createRandom(11);
  const gates = new Float32Array(count * EXPERTS);
  const byExpert: number[][] = Array.from({ length: EXPERTS }, () => []);
  for (let token = 0; token < count; token += 1) {
    const first = random.integer(EXPERTS);
    const second = (first + 1 + random.integer(EXPERTS - 1)) % EXPERTS;
    const share = random.next();
    gates[token * EXPERTS + first] = share;
    gates[token * EXPERTS + second] = 1 - share;
    byExpert[first]?.push(token);
    byExpert[second]?.push(token);
  }
  const starts = new Int32Array(EXPERTS + 1);
  byExpert.forEach((tokens, e) => {
    starts[e + 1] = (starts[e] ?? 0) + tokens.length;
  });
  return { gates, plan: { tokens: Int32Array.from(byExpert.flat()), starts } };
};

/**
 * Dispatching tokens must equal the sum over all experts with a gate of 0 at those not chosen.
 * @throws StateError when they differ by more than the tolerance
 */
const validateDispatch = async (model: UniPerceiver, tolerance: number): Promise<string> => {
  const { width } = model.config;
  const count = 512;
  const random = createRandom(12);
  const { gates, plan } = drawDispatch(count);
  const experts = expertsOf(model, 'blocks.0.ffn.fc1');
  const difference = tf.tidy(() => {
    const x = tf.tensor2d(
      Float32Array.from({ length: count * width }, () => random.normal()),
      [count, width],
    );
    const weights = tf.tensor2d(gates, [count, EXPERTS]);
    const sparse = dispatchedLinear(x, { gates: weights, experts, plan });
    const full = tf.addN(
      experts.map(({ weight, bias }, e) =>
        tf.mul(tf.slice(weights, [0, e], [count, 1]), linear(x, weight, bias)),
      ),
    );
    return tf.max(tf.abs(tf.sub(sparse, full)));
  });
  const [worst = Number.NaN] = await difference.data();
  difference.dispose();
  if (!(worst <= tolerance)) {
    throw new StateError(
      `conditions-price: expected dispatched tokens to equal the sum over all experts within ${tolerance}, got a difference of ${worst}`,
    );
  }
  return `dispatched tokens differ from the sum over all experts by at most ${worst.toExponential(1)}`;
};

async function* priceOf(
  { condition, merges }: (typeof conditions)[number],
  batch: number,
): AsyncIterable<PairLine> {
  const threads = Math.min(2, availableParallelism());
  await selectEngine({ engine: 'torch', precision: 'bf16', threads });
  const input = makeInput(batch);
  const plain = createTrainer(dense, input);
  const routed = createTrainer(conditional(condition), input);
  try {
    const validated = merges
      ? await validateMerged(routed.model, input, { name: `conditions-price ${condition}`, tolerance: 0.1 })
      : await validateDispatch(routed.model, 0.1);
    const options = { validated, detail: { batch, precision: 'bf16', threads, condition } };
    // The dense side is A: the ratio is the price of the experts.
    yield await measurePair(
      { name: 'dense training step', run: async () => void (await plain.step()) },
      { name: `8 experts, top-2, ${condition}`, run: async () => void (await routed.step()) },
      { ...options, name: `conditions-price-train-${condition}`, pairs: 11 },
    );
    yield await measurePair(
      { name: 'dense inference', run: () => plain.infer() },
      {
        name: merges ? `${condition}, merged weights cached` : `${condition}, tokens dispatched`,
        run: () => routed.infer(),
      },
      { ...options, name: `conditions-price-infer-${condition}`, pairs: 25 },
    );
  } finally {
    plain.dispose();
    routed.dispose();
  }
}

export const conditionsPrice = {
  describe:
    'price of every routing condition over the dense encoder, training and inference, bf16, batch 64 (POLYGATE_BENCH_BATCH)',
  async *run(): AsyncIterable<PairLine> {
    const batch = batchSize();
    for (const each of conditions) yield* priceOf(each, batch);
  },
};
