/**
 * What attribute-routed experts cost: the tiny encoder (12 layers, width 192, 197 tokens) with 8 experts, 2 chosen, in
 * all layers, against its dense form. A sample has two segments with a row each: prefix and 144 patches, 52 words.
 */
import { attributeRow } from '@polygate/attributes';
import { StateError, createRandom } from '@polygate/core';
import {
  createUniPerceiver,
  presets,
  type EncoderConfig,
  type SequenceInput,
  type UniPerceiver,
} from '@polygate/encoder';
import { AdamW, parameterGradients } from '@polygate/nn';
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { availableParallelism } from 'node:os';
import { measurePair, type PairLine } from '../pair.ts';

const signature = { inputs: ['visual', 'text'], targets: ['text'] } as const;
const visualRow = attributeRow(signature, { modality: 'visual', causal: false, source: 'input' });
const textRow = attributeRow(signature, { modality: 'text', causal: true, source: 'input' });

// The vocabulary is no part of the comparison: a small table keeps its update out of both sides.
const base = { vocabularySize: 512, dropPath: 0 } as const;
const dense: EncoderConfig = { ...presets.ti, ...base };
const conditional: EncoderConfig = { ...presets['ti-moe'], ...base };

const makeInput = (batch: number): SequenceInput => {
  const random = createRandom(3);
  const patches = Float32Array.from({ length: batch * 144 * 768 }, () => random.normal());
  const ids = Int32Array.from({ length: batch * 52 }, () => random.integer(512));
  return {
    segments: [
      {
        kind: 'visual',
        patches: tf.tensor3d(patches, [batch, 144, 768]),
        grid: { rows: 12, columns: 12, frames: 1 },
        row: visualRow,
      },
      { kind: 'text', ids: tf.tensor2d(ids, [batch, 52], 'int32'), row: textRow },
    ],
  };
};

interface Trainer {
  readonly model: UniPerceiver;
  step(): Promise<number>;
  infer(): Promise<void>;
  dispose(): void;
}

const createTrainer = (config: EncoderConfig, input: SequenceInput): Trainer => {
  const model = createUniPerceiver(config, createRandom(5));
  const optimizer = new AdamW(model.parameters, { learningRate: 1e-4 });
  const random = createRandom(6);
  return {
    model,
    async step() {
      const { loss, gradients } = parameterGradients(model.parameters, () =>
        tf.tidy(() => tf.mean(tf.square(model.encode(input, { training: true, random }))) as tf.Scalar),
      );
      const [value = Number.NaN] = await loss.data();
      await optimizer.step(gradients);
      tf.dispose([loss, ...Object.values(gradients)]);
      return value;
    },
    async infer() {
      const out = tf.tidy(() => tf.mean(model.encode(input)));
      await out.data();
      out.dispose();
    },
    dispose() {
      optimizer.dispose();
      model.dispose();
    },
  };
};

/** The merged evaluation path must equal the experts taken one by one on the tape before either is timed. */
const validate = async (model: UniPerceiver, input: SequenceInput, tolerance: number): Promise<string> => {
  const difference = tf.tidy(() =>
    tf.max(tf.abs(tf.sub(model.encode(input), model.encode(input, { merged: false })))),
  );
  const [worst = Number.NaN] = await difference.data();
  difference.dispose();
  if (!(worst <= tolerance)) {
    throw new StateError(
      `moe-price: expected merged and unmerged outputs equal within ${tolerance}, got a difference of ${worst}`,
    );
  }
  return `merged and unmerged outputs differ by at most ${worst.toExponential(1)}`;
};

async function* priceAt(batch: number, precision: 'f32' | 'bf16'): AsyncIterable<PairLine> {
  const threads = Math.min(2, availableParallelism());
  await selectEngine({ engine: 'torch', precision, threads });
  const input = makeInput(batch);
  const plain = createTrainer(dense, input);
  const experts = createTrainer(conditional, input);
  try {
    const validated = await validate(experts.model, input, precision === 'f32' ? 1e-4 : 0.1);
    const options = { validated, pairs: batch >= 64 ? 7 : 11, detail: { batch, precision, threads } };
    // The dense side is A: the ratio is the price of the experts.
    yield await measurePair(
      { name: 'dense training step', run: async () => void (await plain.step()) },
      { name: '8 experts, top-2, attributes', run: async () => void (await experts.step()) },
      {
        ...options,
        name: `moe-price-train-${precision}-batch${batch}`,
        detail: { ...options.detail, memory: tf.memory() },
      },
    );
    yield await measurePair(
      { name: 'dense inference', run: () => plain.infer() },
      { name: '8 experts, merged weights cached', run: () => experts.infer() },
      { ...options, name: `moe-price-infer-${precision}-batch${batch}` },
    );
  } finally {
    plain.dispose();
    experts.dispose();
    for (const segment of input.segments)
      tf.dispose(segment.kind === 'visual' ? segment.patches : segment.ids);
  }
}

export const moePrice = {
  describe:
    'price of attribute-routed experts over the dense encoder, training and merged inference, batch 16 and 64',
  async *run(): AsyncIterable<PairLine> {
    for (const batch of [16, 64]) yield* priceAt(batch, 'bf16');
    yield* priceAt(16, 'f32');
  },
};
