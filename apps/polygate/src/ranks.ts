/** What commands that several processes run together have in common. */
import { ConfigError, excerpt, type Communicator } from '@polygate/core';
import { openRanks } from '@polygate/runs';

/** Of one machine. */
const MOST_PROCESSES = 256;

/** Reads the value of `--processes`. @throws ConfigError */
export const processCount = (value: string): number => {
  const count = Number(value);
  if (Number.isSafeInteger(count) && count >= 1 && count <= MOST_PROCESSES) return count;
  throw new ConfigError(
    `--processes: expected a whole number from 1 to ${MOST_PROCESSES}, got ${excerpt(value)}`,
  );
};

/**
 * Work of this process as one of its launcher's, or alone: the others learn of its failure, whatever it is, and it waits for
 * their end.
 */
export const asRank = async <T>(work: (communicator: Communicator) => Promise<T>): Promise<T> => {
  const communicator = await openRanks(process.env);
  try {
    return await work(communicator);
  } catch (error) {
    await communicator.abort(error instanceof Error ? error.message : String(error));
    throw error;
  } finally {
    await communicator[Symbol.asyncDispose]();
  }
};
