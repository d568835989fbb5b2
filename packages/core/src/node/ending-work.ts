/** Work that is waited for to its end: where nothing is left that could end the wait, Node would end the process without a word. */

/**
 * Waits for work.
 * @param unfinished the error for work that nothing can end any more
 * @throws what the work throws, or that error
 */
export const endingWork = async <T>(work: Promise<T>, unfinished: () => Error): Promise<T> => {
  let refuse = (): void => undefined;
  const never = new Promise<never>((_, reject) => {
    // One turn later, so that who waits within the work may say more of it.
    refuse = () => void setImmediate(() => reject(unfinished()));
  });
  process.once('beforeExit', refuse);
  try {
    return await Promise.race([work, never]);
  } finally {
    process.off('beforeExit', refuse);
  }
};
