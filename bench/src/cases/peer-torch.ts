import { StateError } from '@polygate/core';
import { selectEngine } from '@polygate/tensor';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { measurePair, type PairLine } from '../pair.ts';
import { createEncoderRun, fasterPrecision, tinyEncoder, type EncoderShape } from './encoder-model.ts';
import { pytorch, startStepper } from './stepper.ts';

const tolerance = { f32: 1e-4, bf16: 3e-2 } as const;

/** Steps both sides ten times from the same weights and compares the losses, then times them in turn. */
async function* comparePrecision(precision: 'f32' | 'bf16', shape: EncoderShape): AsyncIterable<PairLine> {
  const threads = Math.min(2, availableParallelism());
  const choice = await selectEngine({ engine: 'torch', precision, threads });
  const learningRate = 1e-4;
  const run = createEncoderRun(shape, 1, learningRate);
  const folder = await mkdtemp(join(tmpdir(), 'polygate-bench-'));
  const values = join(folder, 'values.f32');
  await writeFile(values, new Uint8Array((await run.values()).buffer));
  const peer = await startStepper(pytorch, { ...shape, precision, threads, learningRate, values });
  try {
    let worst = 0;
    for (let i = 0; i < 10; i += 1) {
      const ours = await run.step();
      const theirs = (await peer.step()).loss;
      worst = Math.max(worst, Math.abs(ours - theirs) / Math.max(1e-9, Math.abs(theirs)));
    }
    if (!(worst < tolerance[precision])) {
      throw new StateError(
        `peer-torch: expected equal losses within ${tolerance[precision]} over 10 steps in ${precision}, got a relative difference of ${worst}`,
      );
    }
    yield await measurePair(
      { name: `polygate ${choice.name} ${precision}`, run: async () => void (await run.step()) },
      { name: `pytorch ${peer.version} ${precision}`, run: async () => (await peer.step()).seconds },
      {
        name: `peer-torch-${precision}-batch${shape.batch}`,
        validated: `losses equal over 10 steps, worst relative difference ${worst.toExponential(2)}`,
        pairs: shape.batch >= 64 ? 7 : shape.batch >= 16 ? 15 : 31,
        detail: { ...shape, threads },
      },
    );
  } finally {
    peer.close();
    run.dispose();
    await rm(folder, { recursive: true, force: true });
  }
}

export const peerTorch = {
  describe:
    'training step of the 12-layer width-192 encoder against PyTorch, batch 4, 16 and 64, f32, and bf16 where that is faster',
  async *run(): AsyncIterable<PairLine> {
    // Without bf16 in hardware PyTorch takes 20 times as long in it: nobody trains so.
    const faster = await fasterPrecision();
    for (const precision of new Set([faster, 'f32'] as const)) {
      for (const batch of [4, 16, 64]) yield* comparePrecision(precision, tinyEncoder(batch));
    }
  },
};
