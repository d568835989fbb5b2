/**
 * What attribute-routed experts cost: the tiny encoder (12 layers, width 192, 197 tokens) with 8 experts, 2 chosen, in
 * all layers, against its dense form. A sample has two segments with a row each: prefix and 144 patches, 52 words. The
 * memory of each side is measured before the other is made.
 */
import { presets, type EncoderConfig } from '@polygate/encoder';
import type { SequenceBatch } from '@polygate/modalities';
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { availableParallelism } from 'node:os';
import { measurePair, type PairLine } from '../pair.ts';
import { fasterPrecision } from './encoder-model.ts';
import { createTrainer, makeInput, sharedSizes, validateMerged } from './image-text.ts';

const dense: EncoderConfig = { ...presets.ti, ...sharedSizes };
const conditional: EncoderConfig = { ...presets['ti-moe'], ...sharedSizes };

/** What a side needs while it trains alone, in mebibytes. */
interface Memory {
  /** Parameters, moments and input between two steps. */
  readonly held: number;
  /** The most at once during a step. */
  readonly peak: number;
}

const resettable = (backend: object): backend is { resetPeak(): void } => 'resetPeak' in backend;

const memoryOf = async (config: EncoderConfig, input: SequenceBatch): Promise<Memory> => {
  const trainer = createTrainer(config, input);
  try {
    // The first step makes the moments.
    await trainer.step();
    const backend = tf.backend();
    if (resettable(backend)) backend.resetPeak();
    await trainer.step();
    const { bytesHeld = 0, bytesPeak = 0 } = tf.memory() as { bytesHeld?: number; bytesPeak?: number };
    return { held: Math.round(bytesHeld / 2 ** 20), peak: Math.round(bytesPeak / 2 ** 20) };
  } finally {
    trainer.dispose();
  }
};

async function* priceAt(batch: number, precision: 'f32' | 'bf16'): AsyncIterable<PairLine> {
  const threads = Math.min(2, availableParallelism());
  await selectEngine({ engine: 'torch', precision, threads });
  const input = makeInput(batch);
  const mebibytes = { dense: await memoryOf(dense, input), experts: await memoryOf(conditional, input) };
  const plain = createTrainer(dense, input);
  const experts = createTrainer(conditional, input);
  try {
    const tolerance = precision === 'f32' ? 1e-4 : 0.1;
    const validated = await validateMerged(experts.model, input, { name: 'moe-price', tolerance });
    // A single pair is noisy on a shared machine: half a minute for each line.
    const pairs = batch >= 64 ? 9 : 21;
    const options = { validated, pairs, detail: { batch, precision, threads } };
    // The dense side is A: the ratio is the price of the experts.
    yield await measurePair(
      { name: 'dense training step', run: async () => void (await plain.step()) },
      { name: '8 experts, top-2, attributes', run: async () => void (await experts.step()) },
      {
        ...options,
        name: `moe-price-train-${precision}-batch${batch}`,
        detail: { ...options.detail, mebibytes },
      },
    );
    yield await measurePair(
      { name: 'dense inference', run: () => plain.infer() },
      { name: '8 experts, merged weights cached', run: () => experts.infer() },
      { ...options, pairs: 2 * pairs - 1, name: `moe-price-infer-${precision}-batch${batch}` },
    );
  } finally {
    plain.dispose();
    experts.dispose();
  }
}

export const moePrice = {
  describe:
    'price of attribute-routed experts over the dense encoder, training and merged inference, batch 16 and 64, in the faster precision and f32',
  async *run(): AsyncIterable<PairLine> {
    const faster = await fasterPrecision();
    for (const batch of [16, 64]) yield* priceAt(batch, faster);
    if (faster !== 'f32') yield* priceAt(16, 'f32');
  },
};
