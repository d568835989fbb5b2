/** How captions are written, through the command line: the recipe's settings go with the model, flags come before them. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { polygate } from './polygate.ts';
import { prepareSmallSuite, smallTrainingRecipe } from './small-suite.ts';

let root = '';
let run = '';
let image = '';

interface Answer {
  readonly captions: readonly {
    readonly text: string;
    readonly tokens: readonly number[];
    readonly score: number;
    readonly logProbability: number;
  }[];
}

const ask = async (...flags: string[]): Promise<Answer['captions']> => {
  const { code, out, log } = await polygate('predict', 'caption', image, '--run', run, '--json', ...flags);
  expect(`${code} ${code === 0 ? '' : log}`).toBe('0 ');
  return (JSON.parse(out) as Answer).captions;
};

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-generation-'));
  await prepareSmallSuite(root);
  const { tasks, ...recipe } = smallTrainingRecipe(join(root, 'data', 'small'));
  const generation = { beam: 3, lengthPenalty: 1, maximumTokens: 5 };
  const file = join(root, 'recipe.json');
  const captioning = { ...tasks.captioning, generation };
  await writeFile(file, JSON.stringify({ ...recipe, steps: '2 steps', tasks: { captioning } }));
  run = join(root, 'run');
  const { code, log } = await polygate('pretrain', '--recipe', file, '--run', run);
  expect(`${code} ${code === 0 ? '' : log}`).toBe('0 ');
  image = join(root, 'images', 'red', 'left-2.svg');
});

afterAll(() => rm(root, { recursive: true, force: true }));

describe('predict caption', () => {
  it('asks as the recipe says, and by flags before that', async () => {
    const captions = await ask();
    expect(captions).toHaveLength(3);
    for (const { tokens, score, logProbability } of captions) {
      expect(tokens.length).toBeLessThan(5);
      expect(score).toBeCloseTo(logProbability / (tokens.length + 1), 5);
    }
    const sums = await ask('--beam', '2', '--length-penalty', '0', '--max-tokens', '4');
    expect(sums).toHaveLength(2);
    for (const { score, logProbability } of sums) expect(score).toBeCloseTo(logProbability, 6);
    const [greedy] = await ask('--method', 'greedy', '--count', '1');
    const [one] = await ask('--beam', '1');
    expect(greedy).toEqual(one);
  });

  it('draws the same captions for the same seed, others for another', async () => {
    const drawn = (seed: string) =>
      ask('--method', 'sample', '--count', '4', '--temperature', '1.5', '--top-p', '0.9', '--seed', seed);
    const captions = await drawn('3');
    expect(captions).toHaveLength(4);
    expect(await drawn('3')).toEqual(captions);
    expect(await drawn('4')).not.toEqual(captions);
  });

  it('repeats nothing where it is told', async () => {
    const [caption] = await ask(
      '--unique-ngram',
      '1',
      '--min-tokens',
      '5',
      '--method',
      'greedy',
      '--count',
      '1',
    );
    expect(caption?.tokens).toHaveLength(4);
    expect(new Set(caption?.tokens).size).toBe(4);
  });

  it('refuses what can not be in one line', async () => {
    const refused = async (...flags: string[]): Promise<string> => {
      const { code, log } = await polygate('predict', 'caption', image, '--run', run, ...flags);
      expect(code).not.toBe(0);
      return log;
    };
    expect(await refused('--method', 'beems')).toContain('unknown --method "beems"');
    expect(await refused('--count', '9')).toContain(
      'generation: expected a count of at most the beam (3), got 9; widen the beam',
    );
    expect(await refused('--top-p', '7')).toContain('generation: topP: ');
    expect(await refused('--length-penalty', 'x')).toContain(
      '--length-penalty: expected a number of 0 or more, got "x"',
    );
  });
});

describe('evaluate', () => {
  it('takes options of predictions by family, and refuses others', async () => {
    const evaluated = async (...flags: string[]) =>
      polygate('evaluate', '--run', run, '--splits', 'train', '--limit', '3', '--json', ...flags);
    const { code, out } = await evaluated(
      ...['--predict', 'image-captioning.method=greedy', '--predict', 'image-captioning.count=1'],
    );
    expect(code).toBe(0);
    const { scores } = JSON.parse(out) as { scores: readonly { metric: string }[] };
    expect(scores.map(({ metric }) => metric)).toContain('token-F1');
    const refused = async (option: string) => (await evaluated('--predict', option)).log;
    expect(await refused('image-captioning.beams=3')).toContain('unknown option of image-captioning "beams"');
    expect(await refused('image-caption.beam=3')).toContain(
      'unknown family with predictions "image-caption"',
    );
    expect(await refused('beam=3')).toContain(
      '--predict: expected family.option=value, such as image-captioning.beam=5, got "beam=3"',
    );
  });
});

describe('an exported model', () => {
  it('is asked as the recipe of its run said', async () => {
    const model = join(root, 'model');
    expect((await polygate('export', '--run', run, '--out', model, '--engine', 'wasm')).code).toBe(0);
    const config = JSON.parse(await readFile(join(model, 'config.json'), 'utf8')) as {
      tasks: readonly { settings?: unknown }[];
    };
    expect(config.tasks[0]?.settings).toEqual({
      generation: { beam: 3, lengthPenalty: 1, maximumTokens: 5 },
    });
    const { out } = await polygate('predict', 'caption', image, '--run', model, '--json', '--engine', 'wasm');
    const { captions } = JSON.parse(out) as Answer;
    const trained = await ask();
    expect(captions.map(({ tokens }) => tokens)).toEqual(trained.map(({ tokens }) => tokens));
  });
});
