import { totalmem } from 'node:os';
import { describe, expect, it, vi } from 'vitest';
import { ConfigError } from './errors.ts';
import { formatBytes, requireMemory } from './memory-need.ts';
import { machineMemory } from './node/machine-memory.ts';
import { machineMemory as unknownMemory } from './unknown-memory.ts';

describe('requireMemory', () => {
  it('compares the need with the machine, or with what was set', () => {
    const remedy = 'choose a smaller model';
    expect(() => requireMemory('run', { bytes: totalmem() / 64, remedy })).not.toThrow();
    expect(() => requireMemory('run', { bytes: 2 ** 60, remedy })).toThrow(ConfigError);
    expect(() => requireMemory('run', { bytes: 2 ** 60, available: 2 ** 60, remedy })).not.toThrow();
    expect(() => requireMemory('run', { bytes: 3 * 2 ** 29, available: 2 ** 30, remedy })).toThrow(
      'run: expected to need at most the 1.0 GiB that were set, got 1.5 GiB; choose a smaller model',
    );
  });

  it('takes the limit of the control group where it is lower', () => {
    const limit = vi.spyOn(process, 'constrainedMemory');
    limit.mockReturnValue(2 ** 20);
    expect(machineMemory()).toEqual({ bytes: 2 ** 20, source: 'the control group (cgroup) of this process' });
    for (const none of [0, 2 ** 64]) {
      limit.mockReturnValue(none);
      expect(machineMemory()).toEqual({ bytes: totalmem(), source: 'this machine' });
    }
    limit.mockRestore();
  });

  it('knows no bound outside of Node', () => {
    expect(unknownMemory().bytes).toBe(Infinity);
  });

  it('writes bytes for people', () => {
    expect([0, 1023, 1024, 1.5 * 2 ** 40, 2 ** 70].map(formatBytes)).toEqual([
      '0 bytes',
      '1023 bytes',
      '1.0 KiB',
      '1.5 TiB',
      '1048576.0 PiB',
    ]);
  });
});
