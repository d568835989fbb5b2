/** How much memory there is, where nobody says: what `#machine-memory` is outside of Node. */

/** A bound on memory and whose it is. */
export interface MachineMemory {
  readonly bytes: number;
  /** As in "the 8.0 GiB of this machine". */
  readonly source: string;
}

/** No bound: a browser does not say. */
export const machineMemory = (): MachineMemory => ({ bytes: Infinity, source: 'this machine' });
