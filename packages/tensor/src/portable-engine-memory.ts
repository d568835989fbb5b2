/** What `#engine-memory` is where there is no Node: nothing is remembered, an engine is asked at each start. */

/** Identifies the machine and the code; nothing is kept by it. */
export const machineKey = (): string => '';

/** The answer of an earlier start. */
export const readAnswer = (_key: string): Promise<unknown> => Promise.resolve(undefined);

/** Keeps an answer for the next start. */
export const writeAnswer = (_key: string, _value: unknown): Promise<void> => Promise.resolve();

/** Kernels to be wrong on purpose, for tests alone. */
export const testFaults = (): string => '';
