/** What the torch engine brings over tfjs's own fastest portable one: one training step of the tiny encoder on each. */
import { StateError } from '@polygate/core';
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { availableParallelism } from 'node:os';
import { measurePair, type PairLine } from '../pair.ts';
import { createEncoderRun, tinyEncoder, type EncoderRun } from './encoder-model.ts';

const STEPS = 3;
const TOLERANCE = 3e-2; // bf16 against float32

/** A run on an engine that is made current before each step. */
interface EngineRun {
  readonly name: string;
  step(): Promise<number>;
  dispose(): Promise<void>;
}

const start = async (
  engine: 'torch' | 'wasm',
  settings: { readonly precision: 'bf16' | 'f32'; readonly create: () => EncoderRun },
): Promise<EngineRun> => {
  const { precision, create } = settings;
  const { name } = await selectEngine({ engine, precision, threads: Math.min(2, availableParallelism()) });
  const run = create();
  const backend = tf.getBackend();
  return {
    name: `${name} ${precision}`,
    async step() {
      await tf.setBackend(backend);
      return run.step();
    },
    async dispose() {
      await tf.setBackend(backend);
      run.dispose();
    },
  };
};

/** Steps both from the same weights. @throws StateError when their losses differ */
const validate = async (torch: EngineRun, wasm: EngineRun): Promise<string> => {
  let worst = 0;
  for (let i = 0; i < STEPS; i += 1) {
    const [ours, theirs] = [await torch.step(), await wasm.step()];
    worst = Math.max(worst, Math.abs(ours - theirs) / Math.abs(theirs));
  }
  if (worst < TOLERANCE)
    return `losses equal over ${STEPS} steps, worst relative difference ${worst.toExponential(2)}`;
  throw new StateError(
    `engine-wasm: expected equal losses within ${TOLERANCE} over ${STEPS} steps, got a relative difference of ${worst}`,
  );
};

export const engineWasm = {
  describe: 'training step of the 12-layer width-192 encoder at batch 4: torch in bf16 against wasm',
  async *run(): AsyncIterable<PairLine> {
    const shape = tinyEncoder(4);
    const create = (): EncoderRun => createEncoderRun(shape, 1, 1e-4);
    const torch = await start('torch', { precision: 'bf16', create });
    const wasm = await start('wasm', { precision: 'f32', create });
    try {
      const validated = await validate(torch, wasm);
      yield await measurePair(
        { name: torch.name, run: async () => void (await torch.step()) },
        { name: wasm.name, run: async () => void (await wasm.step()) },
        { name: 'engine-wasm-batch4', validated, pairs: 5, warmup: 0, detail: { ...shape } },
      );
    } finally {
      await torch.dispose();
      await wasm.dispose();
    }
  },
};
