import { ShapeError } from '@polygate/core';

/**
 * Refuses a segment that does not fit an encoder.
 * @param label as the check's context gives it, e.g. `encode: expected segment 0 (text)`
 * @throws ShapeError
 */
export const refuseSegment = (label: string, expected: string, got: string): never => {
  throw new ShapeError(`${label}: ${expected}, got ${got}`);
};
