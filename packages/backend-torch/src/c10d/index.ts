/** `@polygate/backend-torch/c10d`: several processes, on any engine. Loads no tfjs and starts no engine. */
export { connectC10d, describeC10d } from './communicator.ts';
export type { C10dOptions } from './communicator.ts';
