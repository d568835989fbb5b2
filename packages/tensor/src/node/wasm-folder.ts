/** Where the .wasm files of tfjs lie in Node: what `#wasm-folder` is there. */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';

/** The folder of a package's files, with a slash at its end. @throws where it is not installed */
export const wasmFolder = (name: string): string | undefined =>
  `${dirname(createRequire(import.meta.url).resolve(name))}/`;
