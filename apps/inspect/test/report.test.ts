import { inspectReport } from '@polygate/app-inspect';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findChromium, startChromium, type Browser } from './chromium.ts';
import { writeFixtureRun } from './fixture-run.ts';

let scratch: string;
let single: string;
let pair: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'polygate-report-'));
  single = join(scratch, 'experts');
  await writeFixtureRun(single);
  await writeFixtureRun(join(scratch, 'dense'), { experts: false, seed: 2 });
  await inspectReport({ run: single });
  pair = join(scratch, 'pair');
  await inspectReport({ run: single, against: join(scratch, 'dense'), output: pair });
});

afterAll(() => rm(scratch, { recursive: true, force: true }));

const pageOf = (folder: string): Promise<string> => readFile(join(folder, 'report.html'), 'utf8');

describe('inspectReport', () => {
  it('draws every figure as SVG and PNG, with the same proportions', async () => {
    const { figures } = await inspectReport({ run: single, output: join(scratch, 'again') });
    const names = figures.map((path) => path.slice(path.lastIndexOf('/') + 1));
    expect(names.filter((name) => name.endsWith('.svg'))).toEqual([
      'losses.svg',
      'validation-loss.svg',
      'validation-accuracy.svg',
      'gates-1-1.svg',
      'gates-1-2.svg',
      'load-layers-1.svg',
      'load-time-1.svg',
      'routing-time-1.svg',
      'interference-1.svg',
      'interference-2.svg',
    ]);
    const svg = await readFile(figures[0] ?? '', 'utf8');
    const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/u.exec(svg) ?? [];
    const png = await sharp(figures[1]).metadata();
    expect([png.width, png.height]).toEqual([2 * Number(width), 2 * Number(height)]);
  });

  it('writes words into images, not boxes', async () => {
    // The head of the matrix, where the only ink is words: with a font its lines have many shades, boxes have two.
    const { data } = await sharp(join(single, 'inspect', 'figures', 'interference-1.png'))
      .extract({ left: 0, top: 0, width: 400, height: 40 })
      .greyscale()
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(new Set(data).size).toBeGreaterThan(40);
  });

  it('compares two runs: both curves, both matrices, and what differs as numbers', async () => {
    const page = await pageOf(pair);
    expect(page).toContain('<h1>experts against dense</h1>');
    expect(page).toContain('experts (3 experts by attribute), first order');
    expect(page).toContain('dense (dense), exact');
    expect(page).toContain('experts (3 experts by attribute), 16 updates');
    expect(page).toContain('all weights, 16 updates');
    expect(page).toContain('>pairs that hurt, dense</th>');
    expect(page).toContain('>difference</th>');
  });

  it('says what is missing and how to get it', async () => {
    const bare = join(scratch, 'bare');
    await writeFixtureRun(bare, { experts: false, interference: false });
    await inspectReport({ run: bare });
    const page = await pageOf(join(bare, 'inspect'));
    expect(page).toContain(`Not measured: npx polygate inspect interference --run ${bare}`);
    expect(page).toContain('No run has experts');
  });

  it('escapes the names of tasks everywhere', async () => {
    const page = await pageOf(pair);
    expect(page).not.toContain('lines <&">');
    expect(page).toContain('lines &lt;&amp;&quot;&gt;');
  });

  it('refuses folders and files that are no run', async () => {
    await expect(inspectReport({ run: join(scratch, 'none') })).rejects.toThrow(
      /expected a model folder or a run with a checkpoint at .*none/u,
    );
    const broken = join(scratch, 'broken');
    await writeFixtureRun(broken);
    await writeFile(join(broken, 'inspect', 'interference.json'), '{"kind":"other"}');
    await expect(inspectReport({ run: broken })).rejects.toThrow(
      /interference .*: expected a record of version 1: .*; measure it again with `polygate inspect interference`/u,
    );
    await rm(join(broken, 'metrics.jsonl'));
    await expect(inspectReport({ run: broken })).rejects.toThrow(
      /expected a readable .*metrics.jsonl, got ENOENT; give the folder of a run that pretrain wrote/u,
    );
    await writeFile(join(broken, 'metrics.jsonl'), '');
    await expect(inspectReport({ run: broken })).rejects.toThrow(
      'expected a run with at least one step in metrics.jsonl, got an empty one',
    );
    const file = join(scratch, 'file');
    await writeFile(file, '');
    await expect(inspectReport({ run: single, output: join(file, 'x') })).rejects.toThrow(
      'a part of the path is a file',
    );
  });
});

const program = findChromium();

describe('the page in a real browser', () => {
  let started: Promise<Browser> | undefined;

  /** Started by the first test that needs it, so that one which was asked for and does not start fails every test. */
  const browser = (at: string): Promise<Browser> => (started ??= startChromium(at));

  afterAll(async () => (await started?.catch(() => undefined))?.[Symbol.asyncDispose]());

  const inBrowser = (
    name: string,
    test: (page: (dark?: boolean) => ReturnType<Browser['open']>) => Promise<void>,
  ): void => {
    it(name, async (context) => {
      if (program === undefined) {
        return context.skip(
          'no browser found: install chromium (Debian: apt-get install chromium) or set POLYGATE_CHROMIUM',
        );
      }
      const url = new URL(`file://${join(pair, 'report.html')}`).href;
      const { open } = await browser(program);
      await test((dark = false) => open(url, { width: 1280, height: 900, dark }));
    });
  };

  inBrowser('asks for nothing but itself and reports no error', async (open) => {
    const page = await open();
    const requests = page.events
      .filter(({ method }) => method === 'Network.requestWillBeSent')
      .map(({ params }) => (params['request'] as { url: string }).url)
      .filter((url) => !url.startsWith('data:'));
    expect(requests).toEqual([await page.evaluate('location.href')]);
    const complaints = page.events.filter(
      ({ method }) => method === 'Log.entryAdded' || method === 'Runtime.exceptionThrown',
    );
    expect(complaints).toEqual([]);
  });

  inBrowser(
    'keeps all words inside their figures, readable and apart, without scrolling sideways',
    async (open) => {
      const page = await open();
      const layout = await page.evaluate<{
        figures: number;
        overflow: number;
        outside: string[];
        small: string[];
        collisions: string[];
      }>(`(() => {
      const figures = [...document.querySelectorAll('svg.pg-figure')];
      const outside = [], small = [], collisions = [];
      for (const svg of figures) {
        const frame = svg.getBoundingClientRect();
        const texts = [...svg.querySelectorAll('text')].filter((text) => text.textContent !== '');
        const boxes = texts.map((text) => text.getBoundingClientRect());
        texts.forEach((text, at) => {
          const box = boxes[at];
          if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1) outside.push(svg.id + text.textContent);
          if (parseFloat(getComputedStyle(text).fontSize) < 11) small.push(text.textContent);
          for (let other = 0; other < at; other += 1) {
            const b = boxes[other];
            const width = Math.min(box.right, b.right) - Math.max(box.left, b.left);
            const height = Math.min(box.bottom, b.bottom) - Math.max(box.top, b.top);
            if (width > 1 && height > 3) collisions.push(text.textContent + ' / ' + texts[other].textContent);
          }
        });
      }
      return { figures: figures.length, overflow: document.documentElement.scrollWidth - innerWidth, outside, small, collisions };
    })()`);
      expect(layout.figures).toBe(10);
      expect(layout.overflow).toBeLessThanOrEqual(0);
      expect(layout.outside).toEqual([]);
      expect(layout.small).toEqual([]);
      expect(layout.collisions).toEqual([]);
    },
  );

  inBrowser('names every figure, table and section for screen readers', async (open) => {
    const page = await open();
    const { nodes } = (await page.call('Accessibility.getFullAXTree')) as {
      nodes: {
        ignored: boolean;
        role?: { value: string };
        name?: { value: string };
        description?: { value: string };
      }[];
    };
    const named = (role: string): string[] =>
      nodes
        .filter((node) => !node.ignored && node.role?.value === role)
        .map((node) => node.name?.value ?? '');
    const images = named('image').length > 0 ? named('image') : named('img');
    expect(images.length).toBe(10);
    expect(images.filter((name) => name.length < 20)).toEqual([]);
    expect(images[0]).toMatch(/^Training loss by task colours: experts: [\d.]+ at \d+/u);
    expect(named('table').filter((name) => name === '')).toEqual([]);
    expect(named('heading')).toContain('Interference between tasks');
  });

  inBrowser('shows numbers on hover', async (open) => {
    const page = await open();
    const titles = await page.evaluate<string[]>(
      `[...document.querySelectorAll('svg .pg-hit > title, svg .pg-cell > title, svg g > title')].map((title) => title.textContent)`,
    );
    expect(titles.some((title) => /^step \d+\nexperts: [\d.]+\ndense: [\d.]+$/u.test(title))).toBe(true);
    expect(titles.some((title) => title.includes('mean of ratios (Eq. 2)'))).toBe(true);
    expect(titles.some((title) => /expert 2: gate \d+ %/u.test(title))).toBe(true);
    // The strip under the pointer in the middle of the first plot is what would show its title.
    const hit = await page.evaluate<string>(`(() => {
      const box = document.querySelector('svg .pg-hit').getBoundingClientRect();
      return document.elementFromPoint(box.left + box.width / 2, box.top + 40).className.baseVal;
    })()`);
    expect(hit).toBe('pg-hit');
  });

  inBrowser('is light on light and dark on dark', async (open) => {
    const luminance = `(() => {
      const of = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).map(Number); return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255; };
      return [of(getComputedStyle(document.body).backgroundColor), of(getComputedStyle(document.body).color),
        of(getComputedStyle(document.querySelector('svg .pg-ink')).fill)];
    })()`;
    const [ground = 0, words = 0, ink = 0] = await (await open()).evaluate<number[]>(luminance);
    expect(ground).toBeGreaterThan(0.9);
    expect(Math.max(words, ink)).toBeLessThan(0.3);
    const [darkGround = 1, darkWords = 0, darkInk = 0] = await (
      await open(true)
    ).evaluate<number[]>(luminance);
    expect(darkGround).toBeLessThan(0.15);
    expect(Math.min(darkWords, darkInk)).toBeGreaterThan(0.7);
  });
});

describe('startChromium', () => {
  it('fails loudly for a browser that is asked for and does not start', async () => {
    const broken = join(scratch, 'no-browser');
    await mkdir(scratch, { recursive: true });
    await writeFile(broken, '#!/bin/sh\necho "cannot open display" >&2\nexit 3\n', { mode: 0o755 });
    await expect(startChromium(broken)).rejects.toThrow(
      /expected a browser at .*no-browser that starts, got: the browser ended with 3[\s\S]*set POLYGATE_CHROMIUM/u,
    );
    await expect(startChromium(join(scratch, 'nothing'))).rejects.toThrow(
      /the browser did not start: spawn .*ENOENT/u,
    );
  });
});
