/**
 * The cpu engine in double precision: its kernels make their arrays by the global name, so that what differs by more than
 * the rounding of doubles is another computation. What is written to files meanwhile is not to be read.
 */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll } from 'vitest';

/** For the tests of a block. Data and models must be made within. */
export const useDoublePrecision = (): void => {
  const { platform } = tf.env();
  const { isTypedArray } = platform;
  const single = globalThis.Float32Array;
  let before: string | undefined;
  beforeAll(async () => {
    before = tf.getBackend();
    await tf.setBackend('cpu');
    Object.assign(globalThis, { Float32Array: Float64Array });
    platform.isTypedArray = (value): value is Float32Array => ArrayBuffer.isView(value);
  });
  afterAll(async () => {
    // A file that is run alone has chosen none.
    if (before !== undefined) await tf.setBackend(before);
    Object.assign(globalThis, { Float32Array: single });
    platform.isTypedArray = isTypedArray;
  });
};
