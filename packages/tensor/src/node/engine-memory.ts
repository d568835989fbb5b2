/** What is known of this machine and of earlier starts: what `#engine-memory` is in Node. */
export { readAnswer, writeAnswer } from './answer-cache.ts';
export { machineKey } from './machine.ts';

/** Kernels to be wrong on purpose, for tests alone. */
export const testFaults = (): string => process.env['POLYGATE_TEST_FAULTS'] ?? '';
