/** The recipes that a suite decides, through the command line: what they take from it, what they say, and which settings win. */
import { exitCodes } from 'polygate';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addTextsAndClips, writeTinySuite } from '../packages/generalist/test/tiny-suite.ts';
import { polygate } from './polygate.ts';

let root = '';
let suite = '';
const at = (...path: string[]): string => join(root, ...path);
const short = ['steps=2 steps', 'model.width=16', 'model.hidden=16', 'model.heads=2', 'model.layers=1'];
const settings = (...settingsGiven: string[]): string[] =>
  [...settingsGiven, 'engine=cpu'].flatMap((each) => ['--set', each]);
const recipeOf = async (run: string) =>
  (JSON.parse(await readFile(at(run, 'recipe.json'), 'utf8')) as { recipe: Record<string, unknown> }).recipe;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-small-images-'));
  suite = await writeTinySuite();
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
  await rm(suite, { recursive: true, force: true });
});

describe('the recipe small-images', () => {
  it('trains on the images of a suite, says why so, and takes settings over its own', async () => {
    const asked = ['pretrain', '--recipe', 'small-images', '--suite', suite];
    const batch = 'tasks.colours.batchSize=4';
    const { code, log } = await polygate(...asked, '--run', at('run'), ...settings(...short, batch));
    expect(log).toMatch(/model.patchSize=\d+: \d+ x \d+ patches of an image of 8 pixels/u);
    expect(log).toMatch(/no early stop: 0 validation samples tell too little/u);
    expect(code).toBe(exitCodes.done);
    expect(await recipeOf('run')).toMatchObject({
      suite,
      steps: '2 steps',
      tasks: { colours: { family: 'image-classification', batchSize: 4 } },
    });

    const described = await polygate(...asked, '--describe', ...settings(...short));
    expect(described.code).toBe(exitCodes.done);
    expect(described.out).toMatch(/parameters/u);
  }, 60_000);

  it('tunes a run by each method, on the task that is asked for', async () => {
    const asked = ['tune', '--recipe', 'small-images', '--from', at('run'), '--task', 'colours'];
    for (const method of ['fine', 'prompt']) {
      const { code, log } = await polygate(
        ...asked,
        ...['--method', method, '--run', at(method)],
        ...settings('steps=2 steps', 'tasks.colours.batchSize=4'),
      );
      expect(log).toMatch(/steps=\d+ epochs: of \d+ samples/u);
      expect(code).toBe(exitCodes.done);
      expect(await recipeOf(method)).toMatchObject({ suite, tune: { method }, steps: '2 steps' });
    }
  }, 60_000);

  it('needs a suite, and one with images', async () => {
    const without = await polygate('pretrain', '--recipe', 'small-images');
    expect(without.log).toMatch(
      /expected a prepared suite, which decides it, got none; give its folder by --suite/u,
    );
    expect(without.code).toBe(exitCodes.usage);
    const missing = await polygate('pretrain', '--recipe', 'small-images', '--suite', at('nowhere'));
    expect(missing.code).toBe(exitCodes.usage);
    const unknown = await polygate('pretrain', '--recipe', 'small-image', '--suite', suite);
    expect(unknown.log).toMatch(/small-images/u);
  });
});

describe('the recipe labelled-text', () => {
  it('calls the run as the suite is called, and wants texts with labels', async () => {
    const asked = ['pretrain', '--recipe', 'labelled-text', '--suite', suite, '--run', at('texts')];
    const { code, log } = await polygate(...asked, ...settings(...short));
    expect([code, log]).toEqual([
      exitCodes.usage,
      expect.stringContaining(
        `recipe labelled-text: expected texts with labels and a split "train" in ${suite}, got colours (labelled-image), images (captioned-image), lines (text); take another recipe for these`,
      ),
    ]);
    await addTextsAndClips(suite);
    const notes = ['--set', 'tasks={"notes": {"family": "text-classification", "dataset": "notes"}}'];
    const trained = await polygate(...asked, ...settings(...short), ...notes);
    expect([trained.code, trained.code === 0 ? '' : trained.log]).toEqual([exitCodes.done, '']);
    expect(await recipeOf('texts')).toMatchObject({ name: 'tiny', suite });
  }, 60_000);
});
