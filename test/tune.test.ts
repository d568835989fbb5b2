/** Tuning through the command line: a run on a task of a suite of its own, and all that takes the tuned run. */
import type { RecipeInput } from '@polygate/generalist';
import { exitCodes } from 'polygate';
import { cp, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import sharp from 'sharp';
import { drawImage, writeTinySuite } from '../packages/generalist/test/tiny-suite.ts';
import { saveTokenizer, trainTokenizer } from '@polygate/tokens';
import { polygate, tinyModel } from './polygate.ts';

let root = '';
let suite = '';
let image = '';
const at = (...path: string[]): string => join(root, ...path);

const quick = ['--set', 'steps=2 steps', '--set', 'validation.every=100%', '--engine', 'wasm'];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-tune-'));
  suite = await writeTinySuite();
  image = at('red.png');
  await sharp(drawImage('red', 'square', 1), { raw: { width: 8, height: 8, channels: 3 } })
    .png()
    .toFile(image);
  const base: RecipeInput = {
    suite,
    model: { ...tinyModel, layerScale: 0.5, moe: { experts: 3 } },
    tasks: {
      naming: { family: 'image-classification', dataset: 'colours', batchSize: 4 },
      finding: { family: 'image-text-retrieval', dataset: 'images', batchSize: 4 },
    },
    steps: '4 steps',
    engine: 'wasm',
    telemetry: { every: null },
    validation: { every: '100%', limit: 4 },
  };
  await writeFile(at('base.json'), JSON.stringify(base));
  const { code, log } = await polygate('pretrain', '--recipe', at('base.json'), '--run', at('base'));
  expect(log).not.toMatch(/error/u);
  expect(code).toBe(exitCodes.done);
}, 120_000);
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
  await rm(suite, { recursive: true, force: true });
});

describe('polygate tune', () => {
  it('tunes a run on a task, and evaluate, predict, export and inspect take what it made', async () => {
    const run = at('prompts');
    const tuned = await polygate('tune', '--from', at('base'), '--task', 'colours', '--run', run, ...quick);
    expect(tuned.log).toMatch(/tune colours-prompt: 0\.00M parameters, 1 tasks, 2 steps/u);
    expect(tuned.code).toBe(exitCodes.done);
    const stored = JSON.parse(await readFile(join(run, 'recipe.json'), 'utf8')) as { recipe: object };
    expect(stored.recipe).toMatchObject({
      suite,
      initialize: { from: at('base') },
      tune: { method: 'prompt' },
    });

    const scored = await polygate(
      'evaluate',
      '--run',
      run,
      '--datasets',
      'colours',
      '--limit',
      '4',
      '--json',
    );
    expect(scored.code).toBe(exitCodes.done);
    const { scores } = JSON.parse(scored.out) as { scores: readonly { metric: string; value: number }[] };

    const ask = (...which: string[]) =>
      polygate('predict', 'classify', image, '--json', ...which, '--engine', 'wasm');
    const answer = (out: string) => (JSON.parse(out) as { labels: readonly object[] }).labels;
    const withWhole = await ask('--run', run);
    expect(answer(withWhole.out)).toHaveLength(4);

    const adapter = at('adapter');
    const exported = await polygate('export', '--run', run, '--form', 'adapter', '--out', adapter);
    expect(exported.out).toMatch(
      /^colours: an adapter of 0\.\dk parameters on a base of 0\.0\dM\nwritten: /u,
    );
    expect((await stat(join(adapter, 'adapter.safetensors'))).size).toBeLessThan(20_000);
    for (const which of [
      ['--run', at('base'), '--adapter', adapter],
      ['--run', at('base'), '--adapter', run],
    ]) {
      expect(answer((await ask(...which)).out)).toEqual(answer(withWhole.out));
    }
    const again = await polygate(
      ...[
        'evaluate',
        '--run',
        at('base'),
        '--adapter',
        adapter,
        '--datasets',
        'colours',
        '--limit',
        '4',
        '--json',
      ],
    );
    expect((JSON.parse(again.out) as { scores: object }).scores).toEqual(scores);
    expect((await stat(join(adapter, 'evaluation.json'))).isFile()).toBe(true);

    const whole = await polygate('export', '--run', run, '--out', at('whole'));
    expect(whole.out).toMatch(/^colours: 2 merged sets by attribute, /u);
    expect(
      answer((await ask('--run', at('whole'))).out).map((label) => ({ ...label, probability: 0 })),
    ).toEqual(answer(withWhole.out).map((label) => ({ ...label, probability: 0 })));
    const report = await polygate('inspect', 'report', '--run', run);
    expect(report.code).toBe(exitCodes.done);
  }, 120_000);

  it('tunes by low-rank products, which go into the weights of an export, or into peft’s form', async () => {
    const run = at('low');
    const lora = [
      '--method',
      'lora',
      '--set',
      'tune.rank=2',
      '--set',
      'schedule.warmup=0 steps',
      '--run',
      run,
    ];
    const { code, log } = await polygate(
      'tune',
      '--from',
      at('base'),
      '--task',
      'colours',
      ...lora,
      ...quick,
    );
    expect(log).not.toMatch(/error/u);
    expect(code).toBe(exitCodes.done);
    const labels = async (from: string): Promise<readonly string[]> => {
      const { out } = await polygate(
        'predict',
        'classify',
        image,
        '--json',
        '--run',
        from,
        '--engine',
        'wasm',
      );
      return (JSON.parse(out) as { labels: readonly { label: string }[] }).labels.map(({ label }) => label);
    };
    const expected = await labels(run);
    expect((await polygate('export', '--run', run, '--out', at('low-whole'))).code).toBe(exitCodes.done);
    expect(await labels(at('low-whole'))).toEqual(expected);
    expect(await readFile(at('low-whole', 'config.json'), 'utf8')).not.toContain('"adapter"');
    const peft = await polygate('export', '--run', run, '--form', 'peft', '--out', at('peft'));
    expect(peft.out).toMatch(/^colours: an adapter of .*\nwritten: .*peft\.PeftModel\.from_pretrained/u);
    const config = JSON.parse(await readFile(at('peft', 'adapter_config.json'), 'utf8')) as object;
    expect(config).toMatchObject({ peft_type: 'LORA', r: 2, lora_alpha: 16 });
    const refused = await polygate('export', '--run', at('base'), '--form', 'peft', '--out', at('none'));
    expect(refused.log).toContain('peft: expected products of linears alone, got a model without an adapter');
  }, 120_000);

  it('prints what a recipe trains, of the published models and of the run that it starts from', async () => {
    const { out } = await polygate('tune', '--recipe', 'imagenet-1k', '--describe');
    expect(out.split('\n').map((line) => line.replaceAll(/ {2,}/gu, ' | '))).toEqual([
      'model | dense model | prompts | prefix | heads | replaced | trained | share',
      'ti | 15,115,397 | 23,040 | 192 | 193,001 | 9,984 | 226,217 | 1.50 %',
      'b | 124,604,933 | 92,160 | 768 | 769,001 | 39,936 | 901,865 | 0.72 %',
      'l | 355,330,053 | 245,760 | 1,024 | 1,025,001 | 102,400 | 1,374,185 | 0.39 %',
    ]);
    const described = await polygate('tune', '--from', at('base'), '--task', 'colours', '--describe');
    expect(described.out.split('\n').at(-1)).toMatch(new RegExp(`^${at('base')} .* %$`, 'u'));
  });

  it('names the way out of what cannot be tuned', async () => {
    const refused = async (...words: string[]): Promise<string> => {
      const { code, log } = await polygate('tune', ...words, '--run', at('refused'), ...quick);
      expect(code).not.toBe(exitCodes.done);
      return log;
    };
    expect(await refused('--from', at('base'))).toContain('name one by --task: colours, images/captioning');
    expect(await refused('--suite', suite, '--task', 'colours')).toContain(
      'recipe: tune: expected initialize.from, the run or model that is tuned, got none; name it (--from FOLDER)',
    );
    const other = await writeTinySuite();
    const tokenizer = trainTokenizer(['a red square', 'other words'], { vocabularySize: 290 });
    await saveTokenizer(tokenizer, join(other, 'tokenizer.json'));
    const stored = JSON.parse(await readFile(join(other, 'suite.json'), 'utf8')) as object;
    await writeFile(join(other, 'suite.json'), JSON.stringify({ ...stored, tokenizerHash: tokenizer.hash }));
    expect(await refused('--from', at('base'), '--suite', other, '--task', 'colours')).toContain(
      `whose ids are other words; prepare one for the model: polygate prepare --recipe RECIPE --for ${at('base')} --set name=tiny-for-base`,
    );
    await rm(other, { recursive: true, force: true });
  });

  it('finds a base that has been moved where it is told', async () => {
    const [run, was, now] = [at('moved-prompts'), at('moved-base'), at('elsewhere')];
    await cp(at('base'), was, { recursive: true, verbatimSymlinks: true });
    await polygate('tune', '--from', was, '--task', 'colours', '--run', run, ...quick);
    await rename(was, now);
    const evaluate = (...words: string[]) =>
      polygate(
        'evaluate',
        '--run',
        run,
        '--datasets',
        'colours',
        '--limit',
        '4',
        '--engine',
        'wasm',
        ...words,
      );
    const lost = await evaluate();
    expect([lost.code, lost.log]).toEqual([
      exitCodes.failed,
      expect.stringContaining('put the base there, or give the folder that it is in now (--base FOLDER)'),
    ]);
    const { exitCode, ...commands } = {
      exitCode: exitCodes.done,
      evaluate: () => evaluate('--base', now),
      checkpoint: () => evaluate('--base', join(now, 'checkpoints', 'step-4')),
      predict: () => polygate('predict', 'classify', image, '--run', run, '--engine', 'wasm', '--base', now),
      export: () => polygate('export', '--run', run, '--out', at('moved-whole'), '--base', now),
      report: () => polygate('inspect', 'report', '--run', run, '--base', now),
      resume: () =>
        polygate(
          'pretrain',
          '--recipe',
          join(run, 'resumed.json'),
          '--run',
          run,
          '--base',
          now,
          '--resume',
          'must',
        ),
    };
    const stored = JSON.parse(await readFile(join(run, 'recipe.json'), 'utf8')) as { recipe: object };
    await writeFile(join(run, 'resumed.json'), JSON.stringify(stored.recipe));
    for (const [name, command] of Object.entries(commands)) {
      const { code, log } = await command();
      expect([name, code, log]).toEqual([name, exitCode, expect.not.stringMatching(/error/u)]);
    }
    const other = await evaluate('--base', at('whole'));
    expect([other.code, other.log]).toEqual([
      exitCodes.failed,
      expect.stringContaining('expected a base whose weights have SHA-256'),
    ]);
  }, 120_000);
});
