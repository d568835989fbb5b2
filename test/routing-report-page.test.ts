/**
 * docs/routing-report.md as a reader follows it: its files are written, its commands run in their order in an empty
 * folder, and what it promises is there. Training and measuring are made short; everything else is as printed.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { readInterference } from '@polygate/interference';
import { exitCodes, main, memoryTerminal } from 'polygate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const docs = join(import.meta.dirname, '../docs');
const page = readFileSync(join(docs, 'routing-report.md'), 'utf8');

interface Block {
  readonly language: string;
  /** Name of the file that the block is; empty for commands. */
  readonly file: string;
  readonly text: string;
}

const blocks = [...page.matchAll(/^```(\w+) ?(\S*)\n([\s\S]*?)^```$/gmu)].map(
  ([, language = '', file = '', text = '']): Block => ({ language, file, text }),
);

/** What makes a command of the page take seconds on the wasm engine. */
const shorter: Readonly<Record<string, readonly string[]>> = {
  prepare: [],
  pretrain: [
    ['steps=6 steps', 'seed=3', 'telemetry.every=2 steps', 'validation.limit=2', 'model.layers=2'],
    ['model.width=16', 'model.heads=2', 'model.hidden=32'],
    ['tasks.naming.batchSize=2', 'tasks.captioning.batchSize=2'],
  ]
    .flat()
    .flatMap((setting) => ['--set', setting])
    .concat('--engine', 'wasm'),
  'inspect interference': ['--batches', '3', '--directions', '1'],
  'inspect report': [],
};

const commands = blocks
  .filter(({ language }) => language === 'sh')
  .flatMap(({ text }) => text.trim().split('\n'))
  .map((line) => line.split(/\s+/u));

let folder = '';
let home = '';
/** What each command printed, by its words. */
const printed = new Map<string, string>();

const polygate = async (argv: readonly string[]): Promise<string> => {
  const name = Object.keys(shorter).find((words) => argv.join(' ').startsWith(words));
  expect(name, `a command that this test knows: ${argv.join(' ')}`).toBeDefined();
  const terminal = memoryTerminal();
  const code = await main([...argv, ...(shorter[name ?? ''] ?? [])], terminal);
  expect([code, terminal.log.filter((line) => line.startsWith('error: '))]).toEqual([exitCodes.done, []]);
  return terminal.out.join('\n');
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-page-'));
  home = process.cwd();
  process.chdir(folder);
  for (const { file, text } of blocks.filter((block) => block.file !== '')) {
    await writeFile(join(folder, file), text);
  }
  for (const [program, ...words] of commands) {
    if (program === 'node') await promisify(execFile)(process.execPath, words, { cwd: folder });
    else {
      expect([program, words[0]]).toEqual(['npx', 'polygate']);
      printed.set(words.slice(1).join(' '), await polygate(words.slice(1)));
    }
  }
}, 240_000);

afterAll(async () => {
  process.chdir(home);
  await rm(folder, { recursive: true, force: true });
});

const report = (): Promise<string> => readFile(join(folder, 'runs/experts/inspect/report.html'), 'utf8');

describe('the page on routing reports', () => {
  it('prepares two datasets and loses no sample', () => {
    const rows = printed.get('prepare --recipe data.json') ?? '';
    expect(rows.split('\n').map((line) => line.split(':')[0])).toEqual([
      'shapes (labelled-image)',
      'captions (captioned-image)',
    ]);
    for (const line of rows.split('\n')) {
      const counts = [...line.matchAll(/ (\d+)/gu)].map(([, count]) => Number(count));
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(405);
    }
  });

  it('trains twins that differ in their experts alone', async () => {
    const recipes = await Promise.all(
      ['experts', 'dense'].map(
        async (name) =>
          (
            JSON.parse(await readFile(join(folder, 'runs', name, 'recipe.json'), 'utf8')) as {
              recipe: { model: Record<string, unknown> };
            }
          ).recipe,
      ),
    );
    const [experts, dense] = recipes;
    expect(dense).toEqual({ ...experts, model: { ...experts?.model, moe: null } });
    expect(experts?.model['moe']).toMatchObject({ condition: 'attribute' });
  });

  it('measures a matrix with errors of both, on two layers', async () => {
    for (const [name, experts] of [
      ['experts', 4],
      ['dense', 0],
    ] as const) {
      const record = await readInterference(join(folder, 'runs', name, 'inspect/interference.json'));
      expect(record?.tasks).toEqual(['naming', 'captioning']);
      expect(record?.sites.map((site) => [site.layer, site.experts])).toEqual([
        [1, experts],
        [2, experts],
      ]);
      for (const { firstOrder } of record?.sites ?? []) {
        expect(firstOrder.cells[0]?.[1]?.ratio.standardError).toBeGreaterThan(0);
        expect(firstOrder.cells[1]?.[1]?.ratio.value).toBe(1);
      }
      const table = printed.get(`inspect interference --run runs/${name} --batches 14`) ?? '';
      expect(table).toMatch(/^naming.* 1 .*± /mu);
    }
  });

  it('draws gates, load and both matrices from what training wrote, and reads all of it', async () => {
    const html = await report();
    expect(html).toContain('<h1>experts against dense</h1>');
    for (const figure of ['gates-1-1', 'gates-1-2', 'load-layers-1', 'load-time-1', 'routing-time-1']) {
      expect(html).toContain(`figures/${figure}.svg`);
      expect(existsSync(join(folder, `runs/experts/inspect/figures/${figure}.svg`)), figure).toBe(true);
    }
    for (const title of ['experts (4 experts by attribute), first order', 'dense (dense), first order']) {
      expect(html).toContain(title);
    }
    expect(html).not.toMatch(/unreadable|Not measured/u);
  });

  it('has rows in the heat map for the kinds of tokens that it explains', async () => {
    const svg = await readFile(join(folder, 'runs/experts/inspect/figures/gates-1-2.svg'), 'utf8');
    for (const kind of [
      'image',
      'image to caption',
      'name or caption as target',
      'caption so far',
      'token as target',
    ]) {
      expect(svg).toContain(`>${kind}<`);
    }
  });

  it('shows images and links to places that are there', () => {
    const targets = [...page.matchAll(/\]\(([^)#]+)(?:#([^)]+))?\)/gu)];
    expect(targets.length).toBeGreaterThan(1);
    for (const [, path = '', anchor] of targets) {
      const file = join(docs, path);
      expect(existsSync(file), path).toBe(true);
      if (anchor === undefined) continue;
      const headings = [...readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gmu)].map(([, text = '']) =>
        text.toLowerCase().replaceAll(' ', '-'),
      );
      expect(headings, `${dirname(path)} ${anchor}`).toContain(anchor);
    }
  });
});
