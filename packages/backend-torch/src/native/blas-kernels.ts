/**
 * Which kernels OpenBLAS takes. It knows processors by their model number and takes its oldest kernels for one that it does
 * not know, as for most that are newer than itself and for some in virtual machines: products then run at a fifth of the
 * speed. What a processor can do is in its flags, whatever its number; OpenBLAS reads OPENBLAS_CORETYPE when it is loaded.
 * A name that it does not have it passes over.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs';

/** OpenBLAS's kernels and the flags, as Linux names them, that they need; the best first. */
const kernels: readonly (readonly [name: string, flags: readonly string[]])[] = [
  ['SAPPHIRERAPIDS', ['amx_tile', 'amx_bf16', 'avx512_bf16', 'avx512f', 'avx512dq', 'avx512bw', 'avx512vl']],
  ['COOPERLAKE', ['avx512_bf16', 'avx512f', 'avx512dq', 'avx512bw', 'avx512vl']],
  ['SKYLAKEX', ['avx512f', 'avx512dq', 'avx512bw', 'avx512vl']],
  ['HASWELL', ['avx2', 'fma']],
];

/** Kernels for a processor with these flags; undefined where OpenBLAS had better choose itself. */
export const blasKernelsFor = (flags: ReadonlySet<string>): string | undefined =>
  kernels.find(([, needed]) => needed.every((flag) => flags.has(flag)))?.[0];

/** Flags of the first processor in the text of /proc/cpuinfo. */
export const flagsIn = (cpuinfo: string): ReadonlySet<string> =>
  new Set(/^flags\s*:\s*(.*)$/mu.exec(cpuinfo)?.[1]?.split(' ') ?? []);

/** The file of the system's BLAS, which Debian's LibTorch takes; undefined where there is none. */
export const systemBlas = (): string | undefined => {
  const library = '/usr/lib/x86_64-linux-gnu/libblas.so.3';
  return existsSync(library) ? realpathSync(library) : undefined;
};

/**
 * Kernels that OpenBLAS should be told to take before it is loaded.
 * @param root folder that LibTorch was found in when the binding was built
 * @returns undefined where the user chose, for another BLAS and for other processors than x86-64
 */
export const blasKernelsToSet = (root: string | undefined): string | undefined => {
  if (process.env['OPENBLAS_CORETYPE'] !== undefined) return undefined;
  if (root !== '/usr' || process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  try {
    return systemBlas()?.includes('openblas')
      ? blasKernelsFor(flagsIn(readFileSync('/proc/cpuinfo', 'utf8')))
      : undefined;
  } catch {
    // A system that hides its processor: OpenBLAS asks it itself.
    return undefined;
  }
};
