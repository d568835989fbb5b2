// Compiles and links one addon of Node from C++ sources, several at a time.
import { execFile } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);
const MAX_LOG_BYTES = 1 << 26;

/** Compilers at once: each takes up to 1 GB. */
const MOST_AT_ONCE = 4;

/**
 * The addon stands at `output` when all went well, and what was there stays when it did not.
 * @param plan `compiler` with command and version, `sources`, `prelude`: headers that all sources begin with, which GCC
 * reads once, `compileFlags`, `linkFlags`, `output`
 */
export const compileAddon = async (plan) => {
  const { compiler, sources, prelude, compileFlags, linkFlags, output } = plan;
  const options = { maxBuffer: MAX_LOG_BYTES };
  const work = `${output}.objects-${process.pid}`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  try {
    // Most of the time goes into reading ATen's headers.
    const shared = [];
    if (prelude.length > 0 && !/clang/i.test(compiler.version)) {
      const header = join(work, 'prelude.h');
      writeFileSync(header, prelude.map((name) => `#include <${name}>\n`).join(''));
      await exec(
        compiler.command,
        [...compileFlags, '-x', 'c++-header', header, '-o', `${header}.gch`],
        options,
      );
      shared.push('-include', header);
    }
    const queue = sources.map((source, index) => ({ source, object: join(work, `${index}.o`) }));
    const objects = queue.map(({ object }) => object);
    const worker = async () => {
      for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
        try {
          await exec(
            compiler.command,
            [...compileFlags, ...shared, '-c', job.source, '-o', job.object],
            options,
          );
        } catch (error) {
          // One that fails decides: the others would be compiled for nothing.
          queue.length = 0;
          throw error;
        }
      }
    };
    const workers = Math.min(availableParallelism(), queue.length, MOST_AT_ONCE);
    await Promise.all(Array.from({ length: workers }, worker));
    const linked = join(work, 'linked.node');
    await exec(compiler.command, [...objects, ...linkFlags, '-o', linked], options);
    renameSync(linked, output);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
};
