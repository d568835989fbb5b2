/**
 * How the processes of a group find each other, and how they tell each other that one of them is lost: keys in c10d's store,
 * beside those that Gloo and PyTorch use. The collectives are c10d's alone.
 */
import { parseJson, rankFailed, StateError } from '@polygate/core';
import type { NativeStore } from './addon.ts';

/** Milliseconds between two looks at the store while a call waits. */
const LOOK_EVERY = 200;
/** Milliseconds that ranks have to say that they are alive when one is lost. */
const GRACE = 2000;
/** Most milliseconds for the store to answer: its thread has nothing else to do, so that one which does not was stopped. */
const ANSWER = 10_000;
/** Milliseconds that the keeper of the store stays for the others to read what it found. */
const LINGER = 500;

const ENDED = 'ended';
const LOST = 'lost';
const VERDICT = 'verdict';

export interface RendezvousOptions {
  readonly rank: number;
  readonly size: number;
  readonly timeoutMs: number;
  /** As the address is given, for errors. */
  readonly address: string;
}

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

const listed = (ranks: readonly number[]): string =>
  `${ranks.length === 1 ? 'rank' : 'ranks'} ${ranks.join(', ')}`;

/** What a rank knows of the others by the store. */
export interface Rendezvous {
  /**
   * Waits until all ranks have come.
   * @throws StateError (code `rank-missing`) naming those that did not, (code `rank-taken`) for a rank that is there twice
   */
  join(): Promise<void>;
  /**
   * Makes a call and waits for it, and for word that a rank has ended or lost the group.
   * @throws StateError (code `rank-failed`)
   */
  watch<T>(name: string, call: () => Promise<T>): Promise<T>;
  /** Whether a call failed: others that are at work may never be answered. */
  readonly hasFailed: boolean;
  /** Tells the others why this rank ends. Never throws. */
  end(reason: string): Promise<void>;
}

/** A store whose calls fail where they are not answered: c10d's own wait for a process that was stopped without end. */
const answering = (
  store: NativeStore,
  { address, timeoutMs }: RendezvousOptions,
): Pick<NativeStore, 'set' | 'get' | 'check'> => {
  const within = Math.min(ANSWER, timeoutMs);
  const answered = async <T>(call: Promise<T>): Promise<T> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const expected = `rendezvous: expected the store at ${address} to answer within ${within / 1000} s, got none`;
        reject(
          new StateError(`${expected}; look whether rank 0 runs, or was stopped`, {
            code: 'store-unreachable',
            fields: { address },
          }),
        );
      }, within);
    });
    try {
      return await Promise.race([call, late]);
    } finally {
      clearTimeout(timer);
    }
  };
  return {
    set: (key, value) => answered(store.set(key, value)),
    get: (key) => answered(store.get(key)),
    check: (key) => answered(store.check(key)),
  };
};

export const createRendezvous = (native: NativeStore, options: RendezvousOptions): Rendezvous => {
  const { rank, size, timeoutMs, address } = options;
  const store = answering(native, options);
  const others = Array.from({ length: size }, (_, of) => of).filter((of) => of !== rank);
  const has = async (key: string): Promise<boolean> => (await store.check(key)) === 1;
  const asked = async (key: string): Promise<boolean> => (await native.check(key)) === 1;
  let failure: StateError | undefined;

  const endedError = async (): Promise<StateError> => {
    const told = parseJson(await store.get(ENDED), 'rendezvous') as { rank: number; reason: string };
    return rankFailed(`rank ${told.rank} ended the run: ${told.reason}`, { ranks: [told.rank] });
  };
  /** The keeper asks all to say that they are alive, and tells which did not. */
  const judge = async (): Promise<readonly number[]> => {
    let silent = others;
    for (const until = Date.now() + GRACE; silent.length > 0 && Date.now() < until; await pause(LOOK_EVERY)) {
      const alive = await Promise.all(silent.map((of) => has(`alive/${of}`)));
      silent = silent.filter((_, at) => !alive[at]);
    }
    await store.set(VERDICT, JSON.stringify(silent));
    await pause(LINGER);
    return silent;
  };
  const verdict = async (): Promise<readonly number[]> => {
    for (const until = Date.now() + 2 * GRACE; Date.now() < until; await pause(LOOK_EVERY)) {
      if (await has(VERDICT)) return parseJson(await store.get(VERDICT), 'rendezvous') as number[];
    }
    return [];
  };
  /** Which ranks are gone, when a call failed or another rank says that its call did. */
  const diagnose = async (name: string, cause?: unknown): Promise<StateError> => {
    const told = cause instanceof Error ? ` (${cause.message})` : '';
    try {
      if (await has(ENDED)) return await endedError();
      await store.set(`alive/${rank}`, '1');
      await store.set(LOST, '1');
      const silent = rank === 0 ? await judge() : await verdict();
      if (await has(ENDED)) return await endedError();
      const problem =
        silent.length > 0
          ? `${listed(silent)} did not: gone or stopped during a ${name}`
          : `a ${name} failed although all ranks are there`;
      return rankFailed(`${problem}${told}`, { ranks: silent, cause });
    } catch (lost) {
      // Rank 0 keeps the store: without it nobody answers.
      return rankFailed(`rank 0 did not: the store at ${address} is gone, seen during a ${name}${told}`, {
        ranks: [0],
        cause: cause ?? lost,
      });
    }
  };

  return {
    async join() {
      if (await has(`joined/${rank}`)) {
        throw new StateError(
          `rendezvous at ${address}: expected one process of each rank, got a second one of rank ${rank}; give each process a RANK of its own, or another port to another run`,
          { code: 'rank-taken', fields: { rank } },
        );
      }
      await store.set(`joined/${rank}`, '1');
      let missing = others;
      for (const until = Date.now() + timeoutMs; missing.length > 0; await pause(LOOK_EVERY / 4)) {
        const there = await Promise.all(missing.map((of) => has(`joined/${of}`)));
        missing = missing.filter((_, at) => !there[at]);
        if (missing.length === 0 || Date.now() < until) continue;
        throw new StateError(
          `rendezvous at ${address}: expected ${size} ranks within ${timeoutMs / 1000} s, got none of ${listed(missing)}; start ${missing.length === 1 ? 'it' : 'them'} with the same address, port and number of processes`,
          { code: 'rank-missing', fields: { ranks: missing } },
        );
      }
    },
    get hasFailed() {
      return failure !== undefined;
    },
    async watch(name, call) {
      if (failure) throw failure;
      let isOver = false;
      const settled = call().then(
        (value) => {
          isOver = true;
          return { value };
        },
        async (cause: unknown) => {
          isOver = true;
          throw await diagnose(name, cause);
        },
      );
      const look = async (): Promise<never> => {
        for (;;) {
          await pause(LOOK_EVERY);
          // What settled decides: this one is not waited for any more.
          if (isOver) return new Promise<never>(() => undefined);
          // Not answered, it says nothing: the call that is watched has a time of its own.
          const word = await asked(ENDED).then(
            async (ended) => ended || (await asked(LOST)),
            () => true,
          );
          if (word && !isOver) throw await diagnose(name);
        }
      };
      try {
        return (await Promise.race([settled, look()])).value;
      } catch (cause) {
        failure = cause instanceof StateError ? cause : await diagnose(name, cause);
        throw failure;
      } finally {
        isOver = true;
      }
    },
    async end(reason) {
      await store.set(ENDED, JSON.stringify({ rank, reason })).catch(() => undefined);
      if (rank === 0) await pause(LOOK_EVERY + LINGER);
    },
  };
};
