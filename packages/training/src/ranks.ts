/**
 * One run on many processes: every rank draws and collates the whole batch, as one process alone does, and computes its
 * rows of it, like a batch that is accumulated. Weights of all parts are known on every rank, so nothing but the sums
 * crosses between processes: gradients and what is reported of a step. Every rank then makes the same update.
 *
 * R ranks
 */
import {
  ConfigError,
  findDisagreement,
  gatherJson,
  informedPart,
  partRandom,
  rehearsePart,
  StateError,
  type BatchRandom,
  type Communicator,
  type PartExchange,
  type PartTold,
} from '@polygate/core';
import type { ParameterSet } from '@polygate/nn';
import * as tf from '@tensorflow/tfjs';
import type { LossContext, RankOptions } from './run-options.ts';
import type { UpdateGradients } from './update.ts';

/** What of an update's batches is this rank's, and what is of others. */
export interface RankBatches<Batch> {
  readonly batches: readonly Batch[];
  readonly randoms: readonly BatchRandom[];
  readonly others: readonly Batch[];
}

/** The parts of batches that this rank computes, with the randomness of their rows. */
export const rankBatches = <Batch>(
  { batches, randoms }: Pick<RankBatches<Batch>, 'batches' | 'randoms'>,
  { communicator: { rank, size }, cut }: RankOptions<Batch>,
): RankBatches<Batch> => {
  const mine: Batch[] = [];
  const others: Batch[] = [];
  const ofMine: BatchRandom[] = [];
  batches.forEach((batch, at) => {
    cut(batch, size).forEach((part, of) => {
      if (!part) return;
      if (of !== rank) others.push(part.batch);
      else {
        mine.push(part.batch);
        ofMine.push(partRandom(randoms[at] as BatchRandom, part.first));
      }
    });
  });
  return { batches: mine, randoms: ofMine, others };
};

/** What parts told, of all ranks: a list of names and lengths, and their values behind each other. */
const gatherTold = async (
  communicator: Communicator,
  told: readonly (PartTold | undefined)[],
): Promise<readonly (readonly (PartTold | null)[])[]> => {
  const entries = told.map((part) => part && [...part]);
  const heads = await gatherJson(
    communicator,
    entries.map((part) => part?.map(([name, { length }]) => [name, length] as const) ?? null),
  );
  const own = entries.flatMap((part) => part?.map(([, values]) => values) ?? []);
  const flat = new Float64Array(own.reduce((sum, { length }) => sum + length, 0));
  own.reduce((at, values) => (flat.set(values, at), at + values.length), 0);
  const parts = await communicator.allGather(flat);
  return heads.map((head, rank) => {
    let at = 0;
    return head.map(
      (names) =>
        names &&
        new Map(
          names.map(([name, length]) => [name, (parts[rank] as Float64Array).subarray(at, (at += length))]),
        ),
    );
  });
};

/**
 * Rehearses the losses of this rank's parts that need to know of other ranks' parts, and lets all tell each other: what the
 * parts that this rank computes are then told, in their order.
 * @param taken batches of all ranks, with randomness that is drawn from here alone
 */
export const rehearseParts = async <Batch>(
  taken: Pick<RankBatches<Batch>, 'batches' | 'randoms'>,
  { communicator, cut, exchanges }: RankOptions<Batch>,
  rehearse: (batch: Batch, context: Pick<LossContext, 'random' | 'exchange'>) => void,
): Promise<readonly (PartExchange | undefined)[]> => {
  const { rank, size } = communicator;
  const asking = taken.batches.map((batch) => exchanges?.(batch) === true);
  const parts = taken.batches.map((batch) => cut(batch, size)[rank]);
  if (!asking.includes(true)) return [];
  const told = parts.map((part, at) => {
    if (!part || !asking[at]) return undefined;
    const { exchange, told: mine } = rehearsePart();
    const random = partRandom(taken.randoms[at] as BatchRandom, part.first);
    tf.tidy(() => rehearse(part.batch, { random, exchange }));
    return mine;
  });
  const all = await gatherTold(communicator, told);
  return parts.flatMap((part, at) => {
    if (!part) return [];
    if (!asking[at]) return [undefined];
    // Ranks without a row of the batch have no part of it.
    const present = all.flatMap((ofRank) => ofRank[at] ?? []);
    const before = all.slice(0, rank).filter((ofRank) => ofRank[at]);
    return [informedPart(present, before.length)];
  });
};

/** A communicator that counts what a step takes of it. */
export interface CountedCommunicator extends Communicator {
  /** Bytes of arrays that this rank gave since the last call, and milliseconds that it waited for answers. */
  take(): { readonly exchangeBytes: number; readonly exchangeMs: number };
}

/** Counts the calls of a communicator, which stays the caller's. @param clock milliseconds that never go back */
export const countExchange = (communicator: Communicator, clock: () => number): CountedCommunicator => {
  let exchangeBytes = 0;
  let exchangeMs = 0;
  const timed = async <T>(bytes: number, call: () => Promise<T>): Promise<T> => {
    const began = clock();
    exchangeBytes += bytes;
    try {
      return await call();
    } finally {
      exchangeMs += clock() - began;
    }
  };
  return {
    ...communicator,
    allReduce: (arrays, reduction) =>
      timed(
        arrays.reduce((sum, { byteLength }) => sum + byteLength, 0),
        () => communicator.allReduce(arrays, reduction),
      ),
    allGather: (part) => timed(part.byteLength, () => communicator.allGather(part)),
    take() {
      const taken = { exchangeBytes, exchangeMs };
      exchangeBytes = 0;
      exchangeMs = 0;
      return taken;
    },
  };
};

/** A rank's gradients of the parameters that some rank has one of, as host values. Those given are freed. */
const readGradients = async (
  communicator: Communicator,
  { specs }: ParameterSet,
  gradients: Readonly<Record<string, tf.Tensor>>,
): Promise<ReadonlyMap<string, { readonly shape: readonly number[]; readonly values: Float32Array }>> => {
  const isThere = Uint8Array.from(specs, ({ name }) => (gradients[name] ? 1 : 0));
  await communicator.allReduce([isThere], 'max');
  const taken = new Map<string, { readonly shape: readonly number[]; readonly values: Float32Array }>();
  for (const { name, shape } of specs.filter((_, at) => isThere[at] === 1)) {
    const gradient = gradients[name];
    // Read values may be the tensor's own memory.
    const values = gradient
      ? ((await gradient.data()) as Float32Array).slice()
      : new Float32Array(shape.reduce((product, extent) => product * extent, 1));
    taken.set(name, { shape, values });
  }
  tf.dispose(gradients);
  return taken;
};

/** What of a rank's own part is not finite, which its sums with others would hide the place of. */
const notFiniteOf = (
  loss: number,
  gradients: Awaited<ReturnType<typeof readGradients>>,
): string | undefined => {
  if (!Number.isFinite(loss)) return `a loss of ${loss}`;
  for (const [name, { values }] of gradients) {
    // A sum of finite values is finite in doubles, and one that is not is found. A loop: a call for each
    // value takes six times as long.
    let sum = 0;
    for (let i = 0; i < values.length; i += 1) sum += values[i] as number;
    const at = Number.isFinite(sum) ? -1 : values.findIndex((value) => !Number.isFinite(value));
    if (at >= 0) return `a gradient of "${name}" with ${values[at]}`;
  }
  return undefined;
};

/** A step of all ranks together. */
export interface RankedUpdate extends UpdateGradients {
  /** Whether a rank was asked to stop. */
  readonly isStopped: boolean;
}

/** NaN and infinity have no JSON. */
type Told = {
  readonly stop: boolean;
  readonly values: readonly (readonly [string, string])[];
  /** What of the rank's part is not finite; null where all is. */
  readonly bad: string | null;
};

/**
 * The update of all ranks: sums of gradients, losses and metrics, which are shares of the whole. Records are this rank's.
 * @param update is taken over: its gradients are freed
 * @throws StateError (code `gradient-not-finite`) on all ranks, naming those whose part is not finite
 */
export const reduceUpdate = async (
  communicator: Communicator,
  parameters: ParameterSet,
  { update, stop }: { readonly update: UpdateGradients; readonly stop: boolean },
): Promise<RankedUpdate> => {
  const { loss, metrics, records } = update;
  const own = await readGradients(communicator, parameters, update.gradients);
  const all = await gatherJson<Told>(communicator, {
    stop,
    values: Object.entries({ ...metrics, '': loss }).map(([name, value]) => [name, String(value)]),
    bad: notFiniteOf(loss, own) ?? null,
  });
  const found = all.flatMap(({ bad }, rank) => (bad === null ? [] : [`rank ${rank} with ${bad}`]));
  if (found.length > 0) {
    throw new StateError(`expected finite numbers of all ranks, got ${found.join(' and ')}`, {
      code: 'gradient-not-finite',
    });
  }
  await communicator.allReduce(
    Array.from(own.values(), ({ values }) => values),
    'sum',
  );
  const sums = new Map<string, number>();
  for (const { values } of all) {
    for (const [name, value] of values) sums.set(name, (sums.get(name) ?? 0) + Number(value));
  }
  const whole = sums.get('') ?? NaN;
  sums.delete('');
  return {
    gradients: Object.fromEntries(
      Array.from(own, ([name, { shape, values }]) => [name, tf.tensor(values, [...shape])]),
    ),
    loss: whole,
    metrics: Object.fromEntries(sums),
    records,
    isStopped: all.some((told) => told.stop),
  };
};

/** The numbers that rank 0 has: what is decided by them is decided alike on every rank. */
export const valuesOfFirst = async (
  communicator: Communicator,
  values: Readonly<Record<string, number>>,
): Promise<Readonly<Record<string, number>>> => {
  if (communicator.size === 1) return values;
  const told = Object.entries(values).map(([name, value]) => [name, String(value)] as const);
  const [first = []] = await gatherJson(communicator, told);
  return Object.fromEntries(first.map(([name, value]) => [name, Number(value)]));
};

/** @throws StateError (code `ranks-disagree`) naming the rank, the fact and both values */
export const requireAgreement = async (
  communicator: Communicator,
  facts: Readonly<Record<string, string>>,
): Promise<void> => {
  const found = await findDisagreement(communicator, facts);
  if (!found) return;
  const { fact, rank, theirs = '(none)', ofFirst = '(none)' } = found;
  throw new StateError(
    `train: expected one run on all ranks, got ${fact} ${ofFirst} on rank 0 and ${theirs} on rank ${rank}; give all processes the same recipe, data, code and run folder`,
    { code: 'ranks-disagree', fields: { fact, rank } },
  );
};

/** @throws ConfigError for losses whose weights are not known before they are computed */
export const requireWeights = ({ size }: Communicator, weights: unknown): void => {
  if (size === 1 || weights) return;
  throw new ConfigError(
    `train: expected weights in the options of a run on ${size} processes, got none; give what a batch's loss is the mean over`,
  );
};
