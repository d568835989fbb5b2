import { describe, expect, it } from 'vitest';
import { formatBytes, toEngineError } from './errors.ts';

const memory = { handles: 3, tensorBytes: 2048, held: 0, peak: 0, cached: 0, limit: 0 };

describe('toEngineError', () => {
  it('reads our allocator: asked, held and limit', () => {
    const error = toEngineError(
      'mm',
      'polygate-out-of-memory asked=1048576 held=3145728 limit=4194304\n',
      memory,
    );
    expect(error.code).toBe('out-of-memory');
    expect(error.message).toBe(
      'torch mm: out of memory: asked for 1.0 MiB while holding 3.0 MiB of a limit of 4.0 MiB; use a smaller batch, dispose of tensors, or raise the limit',
    );
    expect(error.fields).toMatchObject({ asked: 1048576, held: 3145728, limit: 4194304 });
  });

  it("reads CUDA's text, of LibTorch 1.13 and 2.x", () => {
    const older = 'CUDA out of memory. Tried to allocate 2.50 GiB (GPU 0; 79.15 GiB total capacity; ...)';
    expect(toEngineError('mm', older, memory).fields).toMatchObject({ asked: 2.5 * 1024 ** 3, held: 2048 });
    const newer = 'CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.15 GiB';
    expect(toEngineError('mm', newer, memory).fields).toMatchObject({ asked: 20 * 1024 ** 2 });
  });

  it("reads LibTorch's stock CPU allocator", () => {
    const text =
      "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes. Error code 12";
    expect(toEngineError('zeros', text, memory)).toMatchObject({
      code: 'out-of-memory',
      fields: { asked: 4096 },
    });
  });

  it("keeps ATen's own words otherwise", () => {
    const error = toEngineError('mm', 'mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)\n', memory);
    expect(error.code).toBe('torch');
    expect(error.message).toBe('torch mm: mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)');
  });
});

describe('formatBytes', () => {
  it.each([
    [0, '0 bytes'],
    [1023, '1023 bytes'],
    [1536, '1.5 KiB'],
    [1024 ** 4, '1.0 TiB'],
  ])('%d -> %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});
