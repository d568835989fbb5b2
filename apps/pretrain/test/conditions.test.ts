/** Runs of every condition: what their routers did stands in the metrics, and models may start from others. */
import { loadModel, type RecipeInput } from '@polygate/generalist';
import { classify, patchesOf } from '@polygate/tasks';
import { METRICS_FILE } from '@polygate/training';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawImage, writeTinySuite } from '../../../packages/generalist/test/tiny-suite.ts';
import { pretrain } from '../src/index.ts';

let suite: string;
let scratch: string;

beforeAll(async () => {
  suite = await writeTinySuite();
  scratch = await mkdtemp(join(tmpdir(), 'polygate-runs-'));
});
afterAll(async () => {
  await rm(suite, { recursive: true, force: true });
  await rm(scratch, { recursive: true, force: true });
});

type UniPerceiverInput = Extract<
  NonNullable<RecipeInput['model']>,
  { readonly architecture?: 'uni-perceiver' | undefined }
>;

const recipe = (moe: UniPerceiverInput['moe'], change: RecipeInput = {}): RecipeInput => ({
  suite,
  model: { preset: 'mini', layers: 1, width: 16, heads: 2, hidden: 32, patchSize: 4, maxPositions: 32, moe },
  tasks: {
    naming: { family: 'image-classification', dataset: 'colours', batchSize: 2, weight: 2 },
    reading: {
      family: 'masked-language-modelling',
      dataset: 'lines',
      batchSize: 2,
      weight: 1,
      candidates: { kind: 'sampled', negatives: 3, distribution: 'uniform' },
    },
  },
  steps: '6 steps',
  engine: 'cpu',
  checkpoint: { every: '3 steps' },
  validation: { every: '100%', limit: 1, splits: [] },
  telemetry: { every: '3 steps' },
  ...change,
});

interface Line {
  readonly step: number;
  readonly kind: string;
  readonly task: string;
  readonly [field: string]: unknown;
}

const linesOf = async (run: string): Promise<readonly Line[]> =>
  (await readFile(join(run, METRICS_FILE), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

describe.each([
  ['attribute', 3],
  ['token', 3],
] as const)('a run routed by %s', (condition, experts) => {
  it('records what its routers did, once for each task of a stretch, the same after a resume', async () => {
    const run = join(scratch, condition);
    await pretrain({ recipe: recipe({ condition, experts }), run });
    const lines = await linesOf(run);
    const train = lines.filter(({ kind }) => kind === 'train');
    const routing = lines.filter(({ kind }) => kind === 'routing');
    const firsts = [0, 3].flatMap((from) => {
      const stretch = train.slice(from, from + 3);
      return stretch.filter(({ task }, i) => stretch.findIndex((each) => each.task === task) === i);
    });
    expect(routing.map(({ step, task }) => [step, task])).toEqual(
      firsts.map(({ step, task }) => [step, task]),
    );
    const [first] = routing;
    expect(first).toMatchObject({ condition, experts, topK: 2 });
    const sites = first?.['sites'] as readonly {
      tokens: number;
      load: number[];
      groups: { tokens: number }[];
    }[];
    expect(sites).toHaveLength(2);
    for (const { tokens, load, groups } of sites) {
      expect(tokens).toBe(groups.reduce((sum, group) => sum + group.tokens, 0));
      expect(load.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9);
    }
    const auxiliary = train.map((line) => line['auxiliary']);
    if (condition === 'token') expect(Math.min(...(auxiliary as number[]))).toBeGreaterThan(0);
    else expect(auxiliary).toEqual(train.map(() => undefined));

    // Stopped after five steps, inside a stretch, and resumed.
    const stopped = join(scratch, `${condition}-stopped`);
    const controller = new AbortController();
    let steps = 0;
    const progress = {
      update: () => void (++steps === 5 && controller.abort()),
      note: () => {},
      stop: () => {},
    };
    const again = { recipe: recipe({ condition, experts }), run: stopped };
    expect((await pretrain(again, { signal: controller.signal, progress })).status).toBe('stopped');
    await pretrain(again);
    const kept = (telemetry: readonly Line[]) =>
      telemetry.map(({ step, kind, task, loss, sites: of }) => ({ step, kind, task, loss, of }));
    expect(kept(await linesOf(stopped))).toEqual(kept(lines));
  });
});

describe('a run that starts from another', () => {
  it('predicts at first what a dense start does', async () => {
    const [dense, sparse] = [join(scratch, 'dense'), join(scratch, 'upcycled')];
    await pretrain({ recipe: recipe(null), run: dense });
    const still: RecipeInput = {
      initialize: { from: dense },
      optimizer: { learningRate: 1e-12, weightDecay: 0 },
      schedule: { kind: 'constant', warmup: '0 steps', minimum: 0 },
      steps: '1 steps',
    };
    await pretrain({ recipe: recipe({ condition: 'task', experts: 3 }, still), run: sparse });
    const labels = ['red', 'blue', 'white'];
    const answers = [];
    for (const run of [dense, sparse]) {
      using model = await loadModel(run);
      const [answer = []] = await classify(
        model,
        patchesOf([drawImage('red', 'bar', 9)], model.image),
        labels,
      );
      answers.push(answer);
    }
    const [before, after] = answers;
    expect(after?.map(({ label }) => label)).toEqual(before?.map(({ label }) => label));
    after?.forEach(({ probability }, i) =>
      expect(probability).toBeCloseTo(before?.[i]?.probability ?? NaN, 4),
    );
  });
});
