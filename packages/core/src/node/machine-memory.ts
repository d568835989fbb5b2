/** How much memory there is, in Node: what `#machine-memory` is there. */
import { totalmem } from 'node:os';
import type { MachineMemory } from '../unknown-memory.ts';

/** The memory that this process may take at most: the machine's, or that of its control group where it is less. */
export const machineMemory = (): MachineMemory => {
  const total = totalmem();
  // Without a limit it is 0 or far beyond the machine.
  const limit = process.constrainedMemory();
  return limit > 0 && limit < total
    ? { bytes: limit, source: 'the control group (cgroup) of this process' }
    : { bytes: total, source: 'this machine' };
};
