/** A task family in a module of somebody else, through the command line: trained, evaluated, asked, and opened again. */
import { loadExtensions } from '@polygate/core/node';
import { createHash } from 'node:crypto';
import { readFile, mkdtemp, rm, writeFile, mkdir, cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { polygate } from '../polygate.ts';
import { prepareSmallSuite, smallTrainingRecipe } from '../small-suite.ts';

const EXTENSION = join(import.meta.dirname, 'toy-family.mjs');
let scratch: string;
let run: string;
let recipeFile: string;

const recipeOf = (suite: string, task: object) => ({
  ...smallTrainingRecipe(suite),
  name: 'toy',
  steps: '150 steps',
  tasks: { verdict: { family: 'toy-verdict', dataset: 'colours', batchSize: 8, ...task } },
});

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'polygate-toy-family-'));
  run = join(scratch, 'run');
  const { directory } = await prepareSmallSuite(scratch);
  recipeFile = join(scratch, 'toy.json');
  const recipe = { ...recipeOf(directory, { wanted: ['red', 'white'] }), extensions: [EXTENSION] };
  await writeFile(recipeFile, JSON.stringify(recipe));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

describe('a task family of an extension', () => {
  it('is trained by a recipe, and named by the run and its model', async () => {
    const { code, log } = await polygate('pretrain', '--recipe', recipeFile, '--run', run);
    expect(log).toContain('finished at step 150');
    expect(code).toBe(0);
    const stored = JSON.parse(await readFile(join(run, 'recipe.json'), 'utf8')) as {
      readonly recipe: { readonly extensions: readonly { readonly path: string }[] };
    };
    const record = {
      module: './test/extensions/toy-family.mjs',
      sha256: createHash('sha256')
        .update(await readFile(EXTENSION))
        .digest('hex'),
      records: [{ kind: 'task family', name: 'toy-verdict' }],
    };
    expect(stored.recipe.extensions).toEqual([{ ...record, path: relative(run, EXTENSION) }]);
    const config = JSON.parse(
      await readFile(join(run, 'checkpoints', 'step-150', 'config.json'), 'utf8'),
    ) as Record<string, unknown>;
    expect(config).toMatchObject({
      extensions: [{ ...record, path: relative(join(run, 'checkpoints', 'step-150'), EXTENSION) }],
      tasks: [{ name: 'verdict', family: 'toy-verdict', settings: { wanted: ['red', 'white'] } }],
    });
  });

  it('is the one that a run goes on with', async () => {
    const other = join(scratch, 'other');
    await cp(run, other, { recursive: true, verbatimSymlinks: true });
    const file = join(other, 'recipe.json');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace(/"sha256": "[0-9a-f]+"/u, `"sha256": "${'0'.repeat(64)}"`));
    const { code, log } = await polygate('pretrain', '--recipe', recipeFile, '--run', other);
    expect(code).toBe(2);
    expect(log).toContain(
      `run ${other}: expected the extension "./test/extensions/toy-family.mjs" that the run began with (SHA-256 ${'0'.repeat(64)}), got another at ${EXTENSION}`,
    );
  });

  it('is loaded by a setting of the command line too, before the recipe is checked', async () => {
    const { extensions: _, ...without } = JSON.parse(await readFile(recipeFile, 'utf8')) as {
      readonly extensions: unknown;
    };
    const bare = join(scratch, 'bare.json');
    await writeFile(bare, JSON.stringify(without));
    const describe = (...more: string[]) => polygate('pretrain', '--recipe', bare, '--describe', ...more);
    const { code, log } = await describe('--set', `extensions=${JSON.stringify([EXTENSION])}`);
    expect([code, log]).toEqual([0, '']);
    const missing = await describe('--set', 'extensions=["./nowhere.mjs"]');
    expect(missing.code).toBe(2);
    expect(missing.log).toContain(
      'extension "./nowhere.mjs" of --set extensions: expected a module file, got none at ',
    );
    const word = await describe('--set', 'extensions=./nowhere.mjs', '--set', 'steps=1');
    expect(word.log).toContain('extension "./nowhere.mjs" of --set extensions: expected a module file');
    for (const setting of [
      'extensions=["./a.mjs",1]',
      'extensions=["./a',
      'extensions.0=./a.mjs',
      'extensions=',
    ]) {
      const refused = await describe('--set', setting);
      expect([refused.code, refused.log]).toEqual([
        2,
        expect.stringContaining(
          `--set ${setting.replaceAll('"', '\\"')}: expected the whole list of modules, such as extensions=["./ours.mjs"]; --extension MODULE adds one`,
        ),
      ]);
    }
  });

  it('is evaluated and asked without naming it again', async () => {
    const evaluated = await polygate(
      'evaluate',
      '--run',
      run,
      '--json',
      '--datasets',
      'colours',
      '--splits',
      'train',
      '--engine',
      'wasm',
    );
    expect(evaluated.log).not.toContain('error');
    const { scores } = JSON.parse(evaluated.out) as {
      readonly scores: readonly { readonly task: string; readonly metric: string; readonly value: number }[];
    };
    const verdict = scores.find(({ task }) => task === 'colours verdict');
    expect(verdict).toMatchObject({ metric: 'accuracy' });
    // Half of the classes are wanted; four colours are told apart in 150 steps.
    expect(verdict?.value).toBeGreaterThan(0.8);
    const report = await readFile(join(run, 'report.md'), 'utf8');
    expect(report).toContain('\n- Verdicts: chance is a coin.\n');
    expect(report).toContain('(sheet.png)');
    const image = join(scratch, 'images', 'red', 'left-4.svg');
    const asked = await polygate('predict', 'judge', image, '--run', run, '--json', '--engine', 'wasm');
    expect(asked.code).toBe(0);
    const { verdicts } = JSON.parse(asked.out) as { readonly verdicts: readonly { readonly yes: number }[] };
    expect(verdicts[0]?.yes).toBeGreaterThan(0.5);
    expect((await polygate('predict', '--help')).out).toContain('judge');
  });

  it('has settings of its own, which are checked like all others', async () => {
    const set = (setting: string) =>
      polygate('pretrain', '--recipe', recipeFile, '--run', join(scratch, 'x'), '--set', setting);
    expect((await set('tasks.verdict.maskRate=0.2')).log).toContain(
      'unknown recipe key "tasks.verdict.maskRate"',
    );
    expect((await set('tasks.verdict.wanted=["pink"]')).log).toContain(
      'expected wanted classes of colours, got "pink"; there are blue, green, red, white',
    );
    expect((await set('tasks.verdict.family=toy-verdit')).log).toContain('toy-verdict');
  });
});

describe('an extension that can not be loaded', () => {
  const load = async (content: string | undefined, module = './extension.mjs') => {
    const folder = await mkdtemp(join(scratch, 'broken-'));
    if (content !== undefined) await writeFile(join(folder, 'extension.mjs'), content);
    return loadExtensions([module], { askedBy: 'recipe toy.json', folders: [folder] });
  };

  it('is named with who asked for it', async () => {
    await expect(load(undefined)).rejects.toThrow(
      /extension "\.\/extension\.mjs" of recipe toy\.json: expected a module file, got none at .*extension\.mjs/u,
    );
    await expect(load(undefined, 'polygate-no-such-package')).rejects.toThrow(
      'extension "polygate-no-such-package" of recipe toy.json: expected a package that is installed',
    );
    await expect(load("throw new Error('out of ink');")).rejects.toThrow('got an error: out of ink');
    await expect(load('export const nothing = 1;')).rejects.toThrow('got one that registers nothing');
    await expect(
      load(
        `import { registerTaskFamily } from '@polygate/tasks';
         export const register = () => registerTaskFamily({ name: 'image-captioning', summary: 'taken' });`,
      ),
    ).rejects.toThrow(
      /expected a name that is free, got "image-captioning"|got no package @polygate\/tasks from/u,
    );
  });

  it('ends a command before anything is written', async () => {
    const missing = await polygate('pretrain', '--recipe', 'demo', '--extension', './nowhere.mjs');
    expect(missing.code).toBe(2);
    expect(missing.log).toContain(
      'extension "./nowhere.mjs" of --extension: expected a module file, got none',
    );
    const moved = join(scratch, 'moved');
    await mkdir(moved);
    await cp(join(run, 'recipe.json'), join(moved, 'recipe.json'));
    const text = (await readFile(join(run, 'recipe.json'), 'utf8'))
      .replaceAll('toy-family.mjs', 'gone.mjs')
      .replaceAll('toy-verdict', 'gone-verdict');
    await writeFile(join(moved, 'recipe.json'), text);
    const opened = await polygate('predict', 'judge', 'a.png', '--run', moved);
    expect(opened.log).toContain(`extension "./test/extensions/gone.mjs" of run ${moved}`);
  });
});
