/** What runs in a browser: the packages that bundle, and an exported model's answers in Chromium, from bytes alone. */
import { exportMerged, saveModel } from '@polygate/generalist';
import { classify, patchesOf } from '@polygate/tasks';
import { selectEngine } from '@polygate/tensor';
import { build } from 'esbuild';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findChromium, startChromium } from '../apps/inspect/test/chromium.ts';
import { conditionalModel, drawImage, tinyTasks } from '../packages/generalist/test/tiny-suite.ts';
import { classifyImage } from './browser/classify.ts';

/** A script for browsers of built packages, as a user's bundler makes it: no settings but the platform. */
const bundle = async (contents: string): Promise<{ readonly text: string; readonly warnings: number }> => {
  const { outputFiles, warnings } = await build({
    stdin: { contents, resolveDir: join(import.meta.dirname, 'browser'), loader: 'ts' },
    bundle: true,
    write: false,
    platform: 'browser',
    format: 'iife',
    logLevel: 'silent',
  });
  return { text: outputFiles[0]?.text ?? '', warnings: warnings.length };
};

const entries = [
  'core',
  'core/files',
  'tokens',
  'attributes',
  'evaluation',
  'figures',
  'losses',
  'nn',
  'tensor',
  'routers',
  'encoder',
  'encoder/merged',
];

describe('bundles for a browser', () => {
  it.each(entries)('@polygate/%s', { timeout: 60_000 }, async (entry) => {
    const { text, warnings } = await bundle(
      `import * as all from '@polygate/${entry}'; Object.assign(globalThis, { all });`,
    );
    expect(text).not.toMatch(/require\("(?:node:)?(?:fs|crypto|path|os|module)|from ?"node:/u);
    expect(warnings).toBe(0);
  });

  it('fail where a package needs Node', { timeout: 60_000 }, async () => {
    await expect(bundle(`import * as all from '@polygate/core/node'; console.log(all);`)).rejects.toThrow(
      /Could not resolve "node:/u,
    );
  });
});

const chromium = findChromium();
const names = ['red', 'green', 'blue', 'white'];
const pixels = drawImage('red', 'square', 3);

describe('an exported model', () => {
  let folder = '';
  let expected: number[] = [];
  const file = (name: string): Promise<Uint8Array> =>
    readFile(join(folder, name)).then((b) => new Uint8Array(b));

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'polygate-browser-'));
    await selectEngine({ engine: 'wasm' });
    using model = conditionalModel({ condition: 'attribute', experts: 3 });
    using exported = exportMerged(model, { tasks: tinyTasks.map(({ name }) => name) });
    await saveModel(exported, folder);
    const [labels = []] = await classify(exported, patchesOf([pixels], exported.image), names);
    expected = names.map((name) => labels.find(({ label }) => label === name)?.probability ?? NaN);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const closeTo = (values: ArrayLike<number>): void => {
    expect(values.length).toBe(names.length);
    for (let i = 0; i < values.length; i += 1)
      expect(Math.abs((values[i] ?? NaN) - (expected[i] ?? NaN))).toBeLessThan(1e-5);
  };

  it('answers from bytes as `classify` does from its folder', async () => {
    const files = {
      config: await file('config.json'),
      tokenizer: await file('tokenizer.json'),
      weights: await file('model.safetensors'),
    };
    expect(Math.max(...expected) - Math.min(...expected)).toBeGreaterThan(1e-3);
    closeTo(await classifyImage(files, pixels, names));
  });

  it.skipIf(!chromium)('answers the same in Chromium, on wasm', { timeout: 120_000 }, async () => {
    const { text } = await bundle(await readFile(join(import.meta.dirname, 'browser/page.ts'), 'utf8'));
    const wasm = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'));
    const server = createServer((request, response) => {
      const [, kind = '', name = ''] = (request.url ?? '').split('/');
      const send = async (): Promise<[string, string | Uint8Array]> => {
        if (kind === 'model') return ['application/octet-stream', await file(basename(name))];
        if (kind === 'wasm') return ['application/wasm', await readFile(join(wasm, basename(name)))];
        if (kind === 'page.js') return ['text/javascript', text];
        return [
          'text/html',
          '<!doctype html><link rel="icon" href="data:,"><script src="/page.js"></script>',
        ];
      };
      send().then(
        ([type, body]) => response.writeHead(200, { 'content-type': type }).end(body),
        () => response.writeHead(404).end(),
      );
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    try {
      const { port } = server.address() as AddressInfo;
      await using browser = await startChromium(chromium ?? '');
      const page = await browser.open(`http://127.0.0.1:${port}/`, { width: 400, height: 300 });
      const answers = await page.evaluate<{
        line: string;
        backend: string;
        probabilities: number[];
        best: number[];
        conditions: string[];
      }>(`run(${JSON.stringify([...pixels])}, ${JSON.stringify(names)})`);
      expect(answers.backend).toBe('wasm');
      expect(answers.line).toContain('engine wasm on cpu, f32');
      closeTo(answers.probabilities);
      expect(answers.best[0]).toBe(expected.indexOf(Math.max(...expected)));
      expect(answers.conditions).toContain('attribute');
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});
