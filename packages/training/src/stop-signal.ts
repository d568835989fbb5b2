/**
 * Stopping a run from outside, by an AbortSignal.
 */

/** Waits for work, or for the signal, whichever is first: a run can be stopped while its data are slow. */
export const unlessAborted = async <T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T | undefined> => {
  if (!signal) return work;
  if (signal.aborted) {
    work.catch(() => {});
    return undefined;
  }
  let stop = (): void => {};
  const aborted = new Promise<undefined>((resolve) => {
    stop = () => resolve(undefined);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
};
