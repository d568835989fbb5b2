import { describeTorch } from '@polygate/backend-torch';
import { EngineError, StateError } from '@polygate/core';
import { selectEngine } from '@polygate/tensor';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { measurePair, type PairLine } from '../pair.ts';
import { createEncoderRun, tinyEncoder, type EncoderShape } from './encoder-model.ts';

const script = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'peers', 'torch_encoder.py');

interface PeerStep {
  readonly seconds: number;
  readonly loss: number;
}

interface Peer {
  readonly version: string;
  step(): Promise<PeerStep>;
  close(): void;
}

/** A PyTorch process that runs one step per request, so that both sides take turns in one run. */
const startPeer = async (settings: Readonly<Record<string, unknown>>): Promise<Peer> => {
  const python = process.env['POLYGATE_BENCH_PYTHON'] ?? '/usr/bin/python3';
  // Both sides multiply by the same kernels of OpenBLAS.
  const { blasKernels } = describeTorch();
  const env = blasKernels === undefined ? process.env : { OPENBLAS_CORETYPE: blasKernels, ...process.env };
  const child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'inherit'], env });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the PyTorch peer ended with code ${code}`)));
  });
  failed.catch(() => {});
  const read = async (): Promise<Record<string, unknown>> => {
    const next = await Promise.race([lines.next(), failed]);
    if (next.done)
      throw new StateError(
        'peer-torch: expected a line of the PyTorch peer, got its end; see its error above',
      );
    return JSON.parse(next.value) as Record<string, unknown>;
  };
  child.stdin.write(`${JSON.stringify(settings)}\n`);
  const ready = await read().catch((cause: unknown) => {
    throw new EngineError(
      `peer-torch: expected PyTorch at ${python}, got none; apt-get install python3-torch python3-numpy, or set POLYGATE_BENCH_PYTHON`,
      { cause },
    );
  });
  return {
    version: String(ready['ready']),
    async step() {
      child.stdin.write('step\n');
      const answer = await read();
      return { seconds: Number(answer['seconds']), loss: Number(answer['loss']) };
    },
    close: () => child.stdin.end('quit\n'),
  };
};

const tolerance = { f32: 1e-3, bf16: 3e-2 } as const;

/** Steps both sides ten times from the same weights and compares the losses, then times them in turn. */
async function* comparePrecision(precision: 'f32' | 'bf16', shape: EncoderShape): AsyncIterable<PairLine> {
  const threads = Math.min(2, availableParallelism());
  const choice = await selectEngine({ engine: 'torch', precision, threads });
  const learningRate = 1e-4;
  const run = createEncoderRun(shape, 1, learningRate);
  const folder = await mkdtemp(join(tmpdir(), 'polygate-bench-'));
  const values = join(folder, 'values.f32');
  await writeFile(values, new Uint8Array((await run.values()).buffer));
  const peer = await startPeer({ ...shape, precision, threads, learningRate, values });
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
    'training step of the 12-layer width-192 encoder against PyTorch, bf16 and f32, batch 4, 16 and 64',
  async *run(): AsyncIterable<PairLine> {
    for (const precision of ['bf16', 'f32'] as const) {
      for (const batch of [4, 16, 64]) yield* comparePrecision(precision, tinyEncoder(batch));
    }
  },
};
