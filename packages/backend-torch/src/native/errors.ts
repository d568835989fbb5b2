/** Turns the text of a failed native call into an EngineError that says what to do. */
import { EngineError } from '@polygate/core';
import type { NativeMemory } from './binding.ts';

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'] as const;

/** 1536 -> "1.5 KiB". */
export const formatBytes = (bytes: number): string => {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
};

const CPU_OUT_OF_MEMORY = /polygate-out-of-memory asked=(\d+) held=(\d+) limit=(\d+)/;
/** LibTorch's own texts, on CUDA and from its stock CPU allocator. */
const DEVICE_OUT_OF_MEMORY = /out of memory.*?[Tt]ried to allocate ([\d.]+) (bytes|KiB|MiB|GiB|TiB)/s;
const STOCK_OUT_OF_MEMORY = /can't allocate memory: you tried to allocate (\d+) bytes/;

const askedBytes = (text: string): { asked: number; held?: number; limit?: number } | undefined => {
  const cpu = CPU_OUT_OF_MEMORY.exec(text);
  if (cpu !== null) return { asked: Number(cpu[1]), held: Number(cpu[2]), limit: Number(cpu[3]) };
  const device = DEVICE_OUT_OF_MEMORY.exec(text);
  if (device !== null) {
    const power = UNITS.indexOf(device[2] as (typeof UNITS)[number]);
    return { asked: Math.round(Number(device[1]) * 1024 ** power) };
  }
  const stock = STOCK_OUT_OF_MEMORY.exec(text);
  return stock === null ? undefined : { asked: Number(stock[1]) };
};

/**
 * @param operator what was called, e.g. `mm`
 * @param text the native message
 * @param memory what was held when it failed
 */
export const toEngineError = (operator: string, text: string, memory: NativeMemory): EngineError => {
  const lack = askedBytes(text);
  if (lack !== undefined) {
    const held = lack.held ?? memory.tensorBytes;
    const bound =
      lack.limit !== undefined && lack.limit > 0 ? ` of a limit of ${formatBytes(lack.limit)}` : '';
    return new EngineError(
      `torch ${operator}: out of memory: asked for ${formatBytes(lack.asked)} while holding ${formatBytes(held)}${bound}; use a smaller batch, dispose of tensors, or raise the limit`,
      { code: 'out-of-memory', fields: { operator, asked: lack.asked, held, limit: lack.limit ?? 0 } },
    );
  }
  return new EngineError(`torch ${operator}: ${text.trim()}`, { code: 'torch', fields: { operator, text } });
};
