/** Support for tests of numeric code, in this package and in those that build on it. */
export {
  finiteDifference,
  gradientError,
  type FiniteDifferenceOptions,
} from './testing/finite-difference.ts';
export { randomTensor, randomIds } from './testing/random-tensors.ts';
export { leakedTensors } from './testing/leaks.ts';
export { eachEngine, requireTestEngines, testEngines, type TestEngine } from './testing/engines.ts';
export { maximumDifference, relativeDifference } from './testing/differences.ts';
