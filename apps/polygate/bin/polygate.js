#!/usr/bin/env node
// The built command line; a checkout that was not built says so instead of a module-not-found trace.
import { existsSync } from 'node:fs';
import * as loader from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Node 22.1 and later keep what they compiled, about a fifth of a start; in the user's cache folder, as nobody else may
 * write there (that of @polygate/tensor's cacheFolder, which is not loaded yet). A cache that cannot be is none.
 */
const keepCompiled = () => {
  const { env, platform } = process;
  try {
    const caches = env.XDG_CACHE_HOME || join(homedir(), platform === 'darwin' ? 'Library/Caches' : '.cache');
    loader.enableCompileCache?.(join(caches, 'polygate', 'compiled'));
  } catch {
    // No home: Node compiles again.
  }
};

const built = new URL('../dist/index.js', import.meta.url);
if (!existsSync(fileURLToPath(built))) {
  process.stderr.write('polygate: not built yet; run `npm run build` in the checkout first\n');
  process.exit(2);
}
keepCompiled();
const { main } = await import(built.href);
process.exitCode = await main(process.argv.slice(2));
