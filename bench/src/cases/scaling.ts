/**
 * What a second process gains: a training step of `train` on two processes of one thread, 16 rows each, against the step
 * of one process of one thread with 16 rows; and the same of PyTorch with DistributedDataParallel, all four in turn.
 */
import { StateError } from '@polygate/core';
import { freePort } from '@polygate/core/node';
import { selectEngine } from '@polygate/tensor';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureInTurn, median, pairLine, type PairLine } from '../pair.ts';
import { createEncoderRun, tinyEncoder, type EncoderShape } from './encoder-model.ts';
import { ours, pytorch, startStepper, type Step, type Stepper, type StepSettings } from './stepper.ts';

const RANKS = 2;
const ROWS = 16;
const COMPARED_STEPS = 10;
const ROUNDS = 15;
const LEARNING_RATE = 1e-4;
/** Relative, of f32. */
const TOLERANCE = 1e-4;

/** Input and weights in the order in which the programs read them. */
const writeValues = async (shape: EncoderShape, file: string): Promise<void> => {
  const run = createEncoderRun(shape, 1, LEARNING_RATE);
  await writeFile(file, await run.values());
  run.dispose();
};

/** Processes that make a step together. */
interface Group {
  readonly name: string;
  /** What each of them answered. */
  step(): Promise<readonly Step[]>;
  close(): void;
}

const startGroup = async (
  name: string,
  program: typeof ours,
  size: number,
  settings: Omit<StepSettings, 'batch' | 'rank' | 'size' | 'port'>,
): Promise<Group> => {
  const port = await freePort();
  const ranks = Array.from({ length: size }, (_, rank) =>
    startStepper(program, { ...settings, batch: ROWS * size, rank, size, port }),
  );
  const started = await Promise.allSettled(ranks);
  const steppers = started.flatMap((one): Stepper[] => (one.status === 'fulfilled' ? [one.value] : []));
  const close = (): void => {
    for (const stepper of steppers) stepper.close();
  };
  const failed = started.find((one) => one.status === 'rejected');
  if (failed) {
    close();
    throw failed.reason;
  }
  return {
    name: `${name}${steppers[0]?.version === 'polygate' ? '' : ` ${steppers[0]?.version}`}, ${size} x 1 thread`,
    step: () => Promise.all(steppers.map((stepper) => stepper.step())),
    close,
  };
};

const meanLoss = (steps: readonly Step[]): number =>
  steps.reduce((sum, { loss }) => sum + loss, 0) / steps.length;
const slowest = (steps: readonly Step[]): number => Math.max(...steps.map(({ seconds }) => seconds));

/** Steps two groups and returns the largest relative difference of their losses. @throws StateError above the tolerance */
const compare = async (a: Group, b: Group): Promise<number> => {
  let worst = 0;
  for (let i = 0; i < COMPARED_STEPS; i += 1) {
    const [left, right] = [meanLoss(await a.step()), meanLoss(await b.step())];
    worst = Math.max(worst, Math.abs(left - right) / Math.abs(right));
  }
  if (worst < TOLERANCE) return worst;
  throw new StateError(
    `scaling: expected equal losses of ${a.name} and ${b.name} within ${TOLERANCE}, got a relative difference of ${worst}`,
  );
};

export const scaling = {
  describe:
    'training steps of two processes of one thread against one, 16 rows each, and the same of PyTorch',
  async *run(): AsyncIterable<PairLine> {
    await selectEngine({ engine: 'torch', precision: 'f32', threads: 1 });
    const folder = await mkdtemp(join(tmpdir(), 'polygate-bench-'));
    const groups: Group[] = [];
    try {
      const settingsOf = async (size: number): Promise<Omit<StepSettings, 'batch'>> => {
        const shape = tinyEncoder(ROWS * size);
        const values = join(folder, `values-${size}.f32`);
        await writeValues(shape, values);
        const run = await mkdtemp(join(folder, 'run-'));
        return { ...shape, precision: 'f32', threads: 1, learningRate: LEARNING_RATE, values, folder: run };
      };
      for (const [name, program] of [
        ['polygate train', ours],
        ['pytorch', pytorch],
      ] as const) {
        for (const size of [1, RANKS])
          groups.push(await startGroup(name, program, size, await settingsOf(size)));
      }
      const [one, many, torchOne, torchMany] = groups as [Group, Group, Group, Group];
      const worst = [await compare(one, torchOne), await compare(many, torchMany)];
      const told: Step[] = [];
      const times = await measureInTurn(
        groups.map((group) => ({
          name: group.name,
          async run() {
            const steps = await group.step();
            if (group === many) told.push(...steps);
            return slowest(steps);
          },
        })),
        { rounds: ROUNDS, warmup: 2 },
      );
      const validated = `losses of 1 and of ${RANKS} processes equal PyTorch's over ${COMPARED_STEPS} steps, worst relative difference ${Math.max(...worst).toExponential(2)}`;
      for (const [name, a, b] of [
        ['scaling-polygate', 0, 1],
        ['scaling-pytorch', 2, 3],
      ] as const) {
        const of = (at: number) => ({ name: groups[at]?.name ?? '', times: times[at] ?? [] });
        const line = pairLine(of(a), of(b), { name, validated });
        yield {
          ...line,
          detail: {
            ...tinyEncoder(ROWS),
            /** Rows a second of all processes over those of one. */
            speedup: RANKS / line.ratioMedian,
            ...(a === 0
              ? {
                  exchangeMegabytes: median(told.map(({ exchangeBytes = 0 }) => exchangeBytes)) / 1e6,
                  exchangeMs: median(told.map(({ exchangeMs = 0 }) => exchangeMs)),
                }
              : {}),
          },
        };
      }
    } finally {
      for (const group of groups) group.close();
      await rm(folder, { recursive: true, force: true });
    }
  },
};
