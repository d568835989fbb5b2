/** Exported models run without the mixture of experts: what the loader of `@polygate/encoder/merged` is made of. */
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';

/** Source files that an import of a module brings with it, by their paths inside the repository. */
const graph = async (entry: string): Promise<string[]> => {
  const { metafile } = await build({
    stdin: {
      contents: `import * as all from '${entry}'; console.log(all);`,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    conditions: ['@polygate/source'],
    external: ['@tensorflow/*'],
    logLevel: 'silent',
  });
  return Object.keys(metafile.inputs);
};

describe('the loader of merged encoders', () => {
  it('imports no routers and none of the encoder’s experts', async () => {
    const merged = await graph('@polygate/encoder/merged');
    const sources = merged.filter((path) => path.includes('packages/encoder/src/'));
    expect(sources.some((path) => path.endsWith('merged-encoder.ts'))).toBe(true);
    expect(merged.filter((path) => path.includes('packages/routers/'))).toEqual([]);
    expect(sources.filter((path) => /expert|rout|decided|dispatched|uni-perceiver/u.test(path))).toEqual([]);
    // The whole package does import them: the checks above can fail.
    const whole = await graph('@polygate/encoder');
    expect(whole.some((path) => path.includes('packages/routers/'))).toBe(true);
    expect(whole.some((path) => path.includes('group-routers.ts'))).toBe(true);
  });
});
