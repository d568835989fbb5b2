/** Memory that something will need, compared with what there is before anything of it is allocated. */
import { machineMemory } from '#machine-memory';
import { ConfigError } from './errors.ts';

/** What is needed and how one goes on. */
export interface MemoryNeed {
  /** What is asked for at least. */
  readonly bytes: number;
  /** Bytes that there are. @default the machine's, or its control group's */
  readonly available?: number;
  /** What to change, for the error's end. */
  readonly remedy: string;
}

const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** Bytes for people: `1.5 GiB`. */
export const formatBytes = (bytes: number): string => {
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)));
  return power === 0 ? `${bytes} bytes` : `${(bytes / 1024 ** power).toFixed(1)} ${units[power] ?? ''}`;
};

/**
 * Refuses what has no room.
 * @param what as in "pretrain: weights, gradients and moments"
 * @throws ConfigError (code `memory`) naming the need, the memory and whose it is
 */
export const requireMemory = (what: string, { bytes, available, remedy }: MemoryNeed): void => {
  const machine = machineMemory();
  const limit = available ?? machine.bytes;
  if (bytes <= limit) return;
  const whose = available === undefined ? `that ${machine.source} has` : 'that were set';
  throw new ConfigError(
    `${what}: expected to need at most the ${formatBytes(limit)} ${whose}, got ${formatBytes(bytes)}; ${remedy}`,
    { code: 'memory', fields: { bytes, available: limit } },
  );
};
