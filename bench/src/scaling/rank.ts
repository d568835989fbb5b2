/**
 * A child of the case `scaling`: one rank of a run of `train`, whose steps are made when they are asked for. Speaks as
 * bench/peers/torch_encoder.py does: settings as one line of JSON, then a line for each line `step`, until `quit`.
 */
import { connectC10d } from '@polygate/backend-torch/c10d';
import { aloneCommunicator, createRandom, StateError } from '@polygate/core';
import { AdamW, allocateParameters, constant } from '@polygate/nn';
import { selectEngine } from '@polygate/tensor';
import { train } from '@polygate/training';
import * as tf from '@tensorflow/tfjs';
import { createInterface } from 'node:readline';
import { encoderLoss, encoderSpecs } from '../cases/encoder-model.ts';
import { readValues, type StepSettings } from '../cases/stepper.ts';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const read = async (): Promise<string> => {
  const next = await lines.next();
  return next.done === true ? 'quit' : next.value;
};
const answer = (told: unknown): void => void process.stdout.write(`${JSON.stringify(told)}\n`);

const settings = JSON.parse(await read()) as StepSettings;
const { rank = 0, size = 1, port = 0, threads, precision, learningRate, batch, length, width } = settings;
await selectEngine({ engine: 'torch', precision, threads });
const { input, weights } = await readValues(settings);
const parameters = allocateParameters(encoderSpecs(settings), createRandom(1));
for (const { name, variable } of parameters.entries()) {
  const values = weights.get(name);
  if (!values) throw new StateError(`scaling: expected values of "${name}", got none`);
  tf.tidy(() => variable.assign(tf.tensor(values, variable.shape)));
}
const communicator =
  size === 1 ? aloneCommunicator : await connectC10d({ rank, size, host: '127.0.0.1', port });

/** Rows of the whole batch, from the first to before the last. */
type Rows = readonly [first: number, last: number];
const rowLength = length * width;
let began = 0;
const step = async (): Promise<void> => {
  if ((await read()) !== 'step') process.exit();
  began = performance.now();
};

answer({ ready: 'polygate' });
await train<Rows>({
  parameters,
  optimizer: new AdamW(parameters, { weightDecay: 0.05 }),
  schedule: constant({ base: learningRate }),
  sources: [{ name: 'rows', size: batch, next: () => [0, batch] }],
  loss: ([first, last]) => ({
    loss: tf.tidy(() => {
      const rows = input.subarray(first * rowLength, last * rowLength);
      return encoderLoss(parameters, settings, tf.tensor3d(rows, [last - first, length, width]));
    }),
  }),
  weights: ([first, last]) => ({ loss: last - first }),
  ranks: {
    communicator,
    cut: ([first, last], parts) =>
      Array.from({ length: parts }, (_, part) => {
        const at = (of: number): number => first + Math.floor(((last - first) * of) / parts);
        return { batch: [at(part), at(part + 1)], first: at(part) - first };
      }),
  },
  steps: Number.MAX_SAFE_INTEGER,
  seed: 1,
  runDirectory: settings.folder,
  checkpointEvery: Number.MAX_SAFE_INTEGER,
  callbacks: [
    {
      onStart: step,
      async onStep({ loss, exchangeBytes, exchangeMs }) {
        answer({ seconds: (performance.now() - began) / 1000, loss, exchangeBytes, exchangeMs });
        await step();
      },
    },
  ],
});
