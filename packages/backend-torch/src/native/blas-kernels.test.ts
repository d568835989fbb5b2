import { afterEach, describe, expect, it } from 'vitest';
import { blasKernelsFor, blasKernelsToSet, flagsIn } from './blas-kernels.ts';

const cpuinfo = (flags: string): string =>
  `processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) Processor\nflags\t\t: ${flags}\nbogomips\t: 4400.00\n\nprocessor\t: 1\nflags\t\t: fpu\n`;
const avx2 = 'fpu sse4_2 avx avx2 fma';
const avx512 = `${avx2} avx512f avx512dq avx512bw avx512vl`;

describe('kernels of OpenBLAS', () => {
  it.each([
    ['fpu sse2', undefined],
    ['fpu avx2', undefined],
    [avx2, 'HASWELL'],
    // Without byte and word instructions: an accelerator card, not what SkylakeX kernels are for.
    [`${avx2} avx512f`, 'HASWELL'],
    [avx512, 'SKYLAKEX'],
    [`${avx512} avx512_bf16`, 'COOPERLAKE'],
    // A virtual machine that hides the tile unit must not get kernels that use it.
    [`${avx512} avx512_bf16 amx_tile`, 'COOPERLAKE'],
    [`${avx512} avx512_bf16 amx_tile amx_bf16`, 'SAPPHIRERAPIDS'],
  ])('go by what the processor can do, not by its number: %s', (flags, kernels) => {
    expect(blasKernelsFor(flagsIn(cpuinfo(flags)))).toBe(kernels);
  });

  it('are left alone where the system does not say, or the library is not the system’s', () => {
    expect(blasKernelsFor(flagsIn(''))).toBeUndefined();
    expect(blasKernelsToSet('/opt/libtorch')).toBeUndefined();
    expect(blasKernelsToSet(undefined)).toBeUndefined();
  });
});

describe('the choice of the user', () => {
  const before = process.env['OPENBLAS_CORETYPE'];
  afterEach(() => {
    if (before === undefined) delete process.env['OPENBLAS_CORETYPE'];
    else process.env['OPENBLAS_CORETYPE'] = before;
  });

  it('stands, an empty one, too', () => {
    for (const kernels of ['HASWELL', '']) {
      process.env['OPENBLAS_CORETYPE'] = kernels;
      expect(blasKernelsToSet('/usr')).toBeUndefined();
    }
  });
});
