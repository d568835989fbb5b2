import { silentLogger } from '@polygate/core';
import { evaluate, drawSheet, formatReport } from '@polygate/app-evaluate';
import { openRun, readRun } from '@polygate/runs';
import type { ScoreReport } from '@polygate/evaluation';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTinyRun } from '../../../packages/generalist/test/tiny-run.ts';
import { drawImage, writeTinySuite } from '../../../packages/generalist/test/tiny-suite.ts';
import { sheetSections } from '../src/sheet-entries.ts';

let scratch: string;
let suite: string;
let run: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'polygate-evaluate-'));
  suite = await writeTinySuite();
  run = join(scratch, 'run');
  await writeTinyRun(run, suite);
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
  await rm(suite, { recursive: true, force: true });
});

describe('evaluate', () => {
  it('scores the latest checkpoint on the suite of the run and writes three files', async () => {
    const lines: string[] = [];
    const logger = {
      debug: () => {},
      info: (line: string) => lines.push(line),
      warn: () => {},
      error: () => {},
    };
    const { scores, files } = await evaluate({ run, images: 3 }, { logger });
    const tasks = new Set(scores.map(({ task }) => task));
    expect([...tasks]).toEqual([
      'colours classification',
      'images captioning',
      'images retrieval',
      'lines masked tokens',
    ]);
    const stored = JSON.parse(await readFile(files.evaluation, 'utf8')) as {
      scores: ScoreReport[];
      recipe: { seed: number };
      engine: { name: string };
    };
    expect(stored.scores).toEqual(JSON.parse(JSON.stringify(scores)));
    expect(stored.recipe.seed).toBe(11);
    expect(stored.engine.name).toBe('wasm');
    const report = await readFile(files.report, 'utf8');
    expect(report).toContain('| training seed | 11 |');
    expect(report).toContain('| trained | 7 steps, 56 samples, 1.50M positions |');
    expect(report).toContain('![Held-out images with predictions](sheet.png)');
    expect(report).toContain(
      '\n- Masked words: unigram answers by the frequency of words in the training text.\n',
    );
    for (const { metric, task } of scores) {
      expect(report).toContain(`## ${task}`);
      expect(report).toContain(metric);
    }
    const sheet = await sharp(await readFile(files.sheet ?? '')).metadata();
    expect(sheet.format).toBe('png');
    expect(lines.some((line) => line.startsWith('colours, test: top-1'))).toBe(true);
  });

  it('gives the same scores again, and others on fewer rows', async () => {
    const settings = { run, images: 0, datasets: ['colours'], output: join(scratch, 'out') };
    const once = await evaluate(settings);
    const again = await evaluate(settings);
    expect(again.scores).toEqual(once.scores);
    expect(once.files.sheet).toBeUndefined();
    const fewer = await evaluate({ ...settings, limit: 3 });
    expect(fewer.scores[0]?.count).toBe(3);
    expect(await readFile(fewer.files.report, 'utf8')).toContain('at most 3 rows of each split');
  });

  it('writes the scores on another suite beside those of its own', async () => {
    const first = await evaluate({ run, images: 0, datasets: ['colours'], limit: 2 });
    expect(first.files.evaluation).toBe(join(run, 'evaluation.json'));
    const other = await evaluate({ run, images: 3, suite: `${suite}/../${basename(suite)}`, limit: 2 });
    expect(other.files.evaluation).toBe(first.files.evaluation);
    const before = await readFile(first.files.evaluation, 'utf8');
    const copy = join(scratch, 'other');
    await cp(suite, copy, { recursive: true });
    const { files } = await evaluate({ run, images: 3, suite: copy, limit: 2 });
    const folder = join(run, 'suites', 'tiny');
    expect([files.evaluation, files.report, files.sheet]).toEqual(
      ['evaluation.json', 'report.md', 'sheet.png'].map((name) => join(folder, name)),
    );
    expect(await readFile(first.files.evaluation, 'utf8')).toBe(before);
    expect(await readdir(folder)).toContain('evaluation.json');
  });

  it('warns of what the model was never trained on', async () => {
    const model = join(scratch, 'model');
    await cp(join(run, 'checkpoints', 'step-7'), model, { recursive: true });
    await rm(join(model, 'state.json'));
    const config = JSON.parse(await readFile(join(model, 'config.json'), 'utf8')) as object;
    const tasks = [{ name: 'colours', family: 'image-classification', dataset: 'colours' }];
    await writeFile(join(model, 'config.json'), JSON.stringify({ ...config, tasks }));
    const warned: string[] = [];
    const logger = { ...silentLogger, warn: (line: string) => void warned.push(line) };
    await evaluate({ run: model, suite, images: 0, limit: 2, datasets: ['colours'] }, { logger });
    expect(warned).toEqual([]);
    await evaluate({ run: model, suite, images: 0, limit: 2, datasets: ['colours', 'lines'] }, { logger });
    expect(warned).toEqual([
      'this model was trained on no masked-language-modelling, only on image-classification: what it says here is a guess',
    ]);
  });

  it('says what is missing', async () => {
    await expect(evaluate({ run: join(scratch, 'none') })).rejects.toThrow(
      /expected a model folder or a run with a checkpoint at .*none/u,
    );
    const bare = join(scratch, 'bare');
    await writeTinyRun(bare, suite);
    await rm(join(bare, 'recipe.json'));
    await expect(evaluate({ run: bare, engine: 'wasm' })).rejects.toThrow(
      'which has no recipe.json that names one; give the folder of a prepared suite',
    );
    await writeFile(join(bare, 'recipe.json'), 'no json');
    await expect(evaluate({ run: bare })).rejects.toThrow(
      'recipe.json: expected JSON, got "no" at 1:1; is it a run folder?',
    );
    const recipe = await readFile(join(run, 'recipe.json'), 'utf8');
    await writeFile(join(bare, 'recipe.json'), `\ufeff${recipe}`);
    expect((await readRun(bare)).recipe).toEqual((await readRun(run)).recipe);
    const aborted = AbortSignal.abort();
    await expect(evaluate({ run, images: 0 }, { signal: aborted })).rejects.toThrow(
      'evaluation: stopped before all splits were scored; run it again',
    );
  });

  it('names a folder that can not be written', async () => {
    const file = join(scratch, 'file');
    await writeFile(file, '');
    await expect(
      evaluate({ run, images: 0, datasets: ['colours'], limit: 2, output: join(file, 'sub') }),
    ).rejects.toThrow('a part of the path is a file; choose another folder');
  });
});

describe('sheetSections', () => {
  it('asks the families about the samples that they score, and shows samples of two datasets once', async () => {
    using opened = await openRun(run, { engine: 'wasm' });
    await using data = await opened.openSuite();
    const sections = await sheetSections(opened.model, data, { count: 2, seed: 1 });
    // The images of `colours` are those of `images`, which more families answer about.
    expect(sections.map(({ title }) => title)).toEqual(['images, test']);
    for (const { name, lines } of sections[0]?.entries ?? []) {
      expect(lines.map(({ label }) => label)).toEqual(['class', 'caption', 'nearest']);
      const [asked, ...captions] = lines;
      expect(name).toMatch(new RegExp(`^a ${asked?.expected} (?:square|bar)$`, 'u'));
      expect(captions.map(({ expected }) => expected)).toEqual([name, name]);
    }
    const alone = await sheetSections(opened.model, data, { count: 2, seed: 1, datasets: ['colours'] });
    expect(alone.map(({ title }) => title)).toEqual(['colours, test']);
    expect(alone[0]?.entries[0]?.name).toMatch(/^\w+-\w+-\d+$/u);
  });
});

describe('formatReport', () => {
  const score: ScoreReport = {
    task: 'a',
    split: 'test',
    metric: 'top-1',
    better: 'higher',
    value: 0.5,
    interval: [0.4, 0.6],
    confidence: 0.95,
    chance: 0.1,
    baselines: { majority: 0.2 },
    count: 10,
  };
  const facts = {
    run: 'runs/a|b',
    suite: 's',
    datasets: [],
    engineLine: 'engine x',
    parameters: 1_234_567,
    evaluationSeed: 1,
  };

  it('counts the scores that beat chance and names the others', () => {
    const report = formatReport(facts, {
      scores: [score, { ...score, metric: 'top-5', interval: [0.05, 0.6] }],
      details: [],
      notes: ['Guesses are guesses.'],
    });
    expect(report).toContain('\n- Guesses are guesses.\n');
    expect(report).toContain(
      '1 of 2 scores are better than chance with their whole interval. Not so: a, test, top-5.',
    );
    expect(report).toContain('| parameters | 1.23M (1234567) |');
    expect(report).toContain('| run | runs/a\\|b |');
    expect(report).not.toContain('sheet');
  });

  it('names the sizes of the gallery and what is not known', () => {
    const recall: ScoreReport = {
      ...score,
      metric: 'text recall@1',
      interval: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
      count: 18,
      gallery: { images: 18, texts: 90 },
    };
    const stored = JSON.parse(JSON.stringify(recall)) as ScoreReport;
    for (const each of [recall, stored]) {
      const report = formatReport(facts, { scores: [each], details: [], notes: [] });
      expect(report).toContain(
        '| a | test | text recall@1 | 0.500 | unknown | 0.100 | majority 0.200 | 18 (gallery: 18 images, 90 texts) |',
      );
      expect(report).toContain('0 of 1 scores are better than chance');
    }
  });
});

describe('drawSheet', () => {
  it('shows the image itself, its predictions in green or red, and nothing else beside them', async () => {
    const entry = { pixels: drawImage('red', 'square', 1), name: 'a red square' };
    const draw = async (answer: string) => {
      const lines = [{ label: 'class', answer, expected: 'red' }];
      const png = await drawSheet([{ title: 'test', entries: [{ ...entry, lines }] }], {
        title: 'title',
        side: 8,
      });
      return sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    };
    const right = await draw('red');
    const wrong = await draw('blue');
    const at = (image: typeof right, x: number, y: number): number[] =>
      Array.from(image.data.subarray((y * image.info.width + x) * 3, (y * image.info.width + x) * 3 + 3));
    // The image is at (12, 44 + 34), 96 pixels wide; its middle is inside the red square.
    const middle = at(right, 12 + 48, 78 + 48);
    expect(middle[0]).toBeGreaterThan(200);
    expect(middle[1]).toBeLessThan(60);
    const count = (image: typeof right, test: (r: number, g: number, b: number) => boolean): number => {
      let matches = 0;
      for (let x = 120; x < 380; x += 1) {
        for (let y = 78; y < 174; y += 1) {
          const [r = 0, g = 0, b = 0] = at(image, x, y);
          if (test(r, g, b)) matches += 1;
        }
      }
      return matches;
    };
    const green = (r: number, g: number, b: number): boolean => g > r + 40 && g > b + 20;
    const red = (r: number, g: number, b: number): boolean => r > g + 60 && r > b + 60;
    expect(count(right, green)).toBeGreaterThan(20);
    expect(count(right, red)).toBe(0);
    expect(count(wrong, red)).toBeGreaterThan(20);
    expect(count(wrong, green)).toBe(0);
  });
});
