/**
 * Tasks that a run never saw, through the command line: clips are captioned and retrieved by a run that is trained on them
 * and by one that is not, and a task of GLUE is asked of a run that knows texts.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openShards, textRow } from '@polygate/stream';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { polygate, tinyModel } from './polygate.ts';

const SIDE = 8;
let root = '';
const at = (...path: string[]): string => join(root, ...path);
const put = async (path: string, content: string | Uint8Array): Promise<void> => {
  await mkdir(dirname(at(path)), { recursive: true });
  await writeFile(at(path), content);
};

/** A clip of one grey a frame. */
const clip = (greys: readonly number[]): Promise<Buffer> =>
  sharp(Buffer.concat(greys.map((grey) => Buffer.alloc(SIDE * SIDE * 3, grey))), {
    raw: { width: SIDE, height: SIDE * greys.length, channels: 3, pageHeight: SIDE },
  })
    .webp({ lossless: true })
    .toBuffer();

const kinds = ['brighter', 'darker'] as const;

/** Clips that turn brighter or darker, three of each video, with one that is broken and one that is not there. */
const writeClips = async (): Promise<void> => {
  const videos: object[] = [];
  const sentences: object[] = [];
  for (let i = 0; i < 24; i += 1) {
    const kind = kinds[i % 2] ?? 'brighter';
    const greys = [10, 70, 130, 190].map((grey) => grey + 2 * i);
    await put(`videos/video${i}.webp`, await clip(kind === 'brighter' ? greys : greys.reverse()));
    videos.push({ video_id: `video${i}`, url: `https://example.org/${Math.floor(i / 3)}` });
    sentences.push({ video_id: `video${i}`, caption: `it gets ${kind}` });
  }
  await put('videos/video24.webp', 'no animation');
  for (const id of ['video24', 'video25']) {
    videos.push({ video_id: id, url: `https://example.org/${id}` });
    sentences.push({ video_id: id, caption: 'nothing' });
  }
  await put('captions.json', JSON.stringify({ videos, sentences }));
};

const writeGlue = async (): Promise<void> => {
  const rows = (count: number): string[] =>
    Array.from({ length: count }, (_, i) => `the film ${i} was ${i % 2 ? 'wonderful' : 'bad'} .\t${i % 2}`);
  await put('glue/SST-2/train.tsv', ['sentence\tlabel', ...rows(12)].join('\n'));
  await put('glue/SST-2/dev.tsv', ['sentence\tlabel', ...rows(6)].join('\n'));
  const cola = (count: number): string[] =>
    Array.from({ length: count }, (_, i) => `x\t${i % 2}\t${i % 2 ? '' : '*'}\tsentence number ${i} .`);
  await put('glue/CoLA/train.tsv', cola(12).join('\n'));
  await put('glue/CoLA/dev.tsv', cola(6).join('\n'));
  await put('book.txt', Array.from({ length: 30 }, (_, i) => `It is line ${i} of a book.`).join('\n'));
};

const training = (tasks: object, condition: string) => ({
  suite: at('data', 'novel'),
  model: { ...tinyModel, layers: 1, maxPositions: 64, moe: { experts: 2, topK: 1, condition } },
  tasks,
  steps: '4 steps',
  engine: 'wasm',
  checkpoint: { every: '100%', keep: 1 },
  validation: { every: '100%', limit: 2 },
});
const sampled = { kind: 'sampled', negatives: 8 };
const clipTasks = {
  captions: { family: 'video-captioning', dataset: 'clips', frames: 2, stride: 2, views: 2 },
  retrieval: { family: 'video-text-retrieval', dataset: 'clips', frames: 2 },
};
const textTasks = {
  lines: { family: 'masked-language-modelling', dataset: 'lines', candidates: sampled },
};

interface Score {
  readonly task: string;
  readonly split: string;
  readonly metric: string;
  readonly value: number;
  readonly chance: number | null;
  readonly baselines: Readonly<Record<string, number>>;
}
const evaluated = async (...argv: string[]): Promise<readonly Score[]> => {
  const { code, out, log } = await polygate('evaluate', '--json', '--engine', 'wasm', ...argv);
  expect([code, code === 0 ? '' : log]).toEqual([0, '']);
  return (JSON.parse(out) as { scores: readonly Score[] }).scores;
};

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-novel-'));
  await writeClips();
  await writeGlue();
  const recipe = {
    name: 'novel',
    image: { size: SIDE },
    text: { length: 16 },
    video: { frames: 4 },
    tokenizer: { vocabularySize: 320 },
    limits: { rate: 0.2 },
    sources: {
      clips: {
        source: 'msr-vtt',
        file: at('captions.json'),
        videos: at('videos'),
        validationPercent: 0,
        testPercent: 30,
      },
      'sst-2': { source: 'glue', path: at('glue/SST-2') },
      cola: { source: 'glue', path: at('glue/CoLA') },
      lines: {
        source: 'plain-text',
        files: [at('book.txt')],
        unit: 'line',
        validationPercent: 0,
        testPercent: 10,
      },
    },
  };
  await put('prepare.json', JSON.stringify(recipe));
  await put('clips.json', JSON.stringify(training(clipTasks, 'attribute')));
  await put('texts.json', JSON.stringify(training(textTasks, 'task')));
  const prepared = await polygate('prepare', '--recipe', at('prepare.json'), '--out', at('data'));
  expect([prepared.code, prepared.code === 0 ? '' : prepared.log]).toEqual([0, '']);
  for (const name of ['clips', 'texts']) {
    const trained = await polygate('pretrain', '--recipe', at(`${name}.json`), '--run', at('runs', name));
    expect([trained.code, trained.code === 0 ? '' : trained.log]).toEqual([0, '']);
  }
}, 240_000);
afterAll(() => rm(root, { recursive: true, force: true }));

describe('captioned clips', () => {
  it('are prepared without those that are broken or missing, and videos are on one side', async () => {
    const suite = JSON.parse(await readFile(at('data/novel/suite.json'), 'utf8')) as {
      readonly quarantine: Readonly<Record<string, number>>;
    };
    expect(suite.quarantine).toEqual({ 'corrupt-clip': 1, 'not-fetched': 1 });
    const videosOf = async (split: string): Promise<ReadonlySet<string>> => {
      const shards = await openShards(at('data/novel/clips', split));
      const videos = new Set<string>();
      for await (const batch of shards.batches())
        for (let row = 0; row < batch.numRows; row += 1) videos.add(textRow(batch, 'concept', row));
      await shards.close();
      return videos;
    };
    const [train, test] = [await videosOf('train'), await videosOf('test')];
    expect(train.size + test.size).toBe(8);
    expect([...test].some((video) => train.has(video))).toBe(false);
  });

  it('are scored beside chance, the most frequent caption and the nearest middle frame', async () => {
    const scores = await evaluated('--run', at('runs/clips'), '--datasets', 'clips');
    const captioning = scores.filter(({ task }) => task === 'clips captioning');
    expect(captioning.map(({ metric }) => metric)).toContain('token-F1');
    expect(Object.keys(captioning[0]?.baselines ?? {})).toEqual(['most frequent', 'nearest middle frame']);
    expect(captioning[0]?.chance).toBeGreaterThan(0);
    const retrieval = scores.filter(({ task }) => task === 'clips retrieval');
    expect(retrieval.slice(0, 2).map(({ metric }) => metric)).toEqual(['text recall@1', 'clip recall@1']);
  });

  it('are captioned and found', async () => {
    const one = ['--run', at('runs/clips'), '--engine', 'wasm', '--json'];
    const captioned = await polygate(
      'predict',
      'caption-video',
      at('videos/video0.webp'),
      '--beam',
      '2',
      ...one,
    );
    expect(JSON.parse(captioned.out)).toMatchObject({
      clip: at('videos/video0.webp'),
      captions: [{ text: expect.any(String) }, {}],
    });
    const result = await polygate(
      'predict',
      'retrieve-video',
      'it gets darker',
      '--clips',
      at('videos'),
      ...one,
    );
    const answer = JSON.parse(result.out) as {
      readonly clips: readonly { readonly path: string }[];
      readonly searched: number;
      readonly skipped: readonly { readonly path: string }[];
    };
    expect([answer.clips.length, answer.searched]).toEqual([5, 24]);
    expect(answer.skipped.map(({ path }) => path)).toEqual(['video24.webp']);
  });
});

describe('tasks that a run was not trained on', () => {
  it('are scored from a description, by the experts of the task that is routed alike', async () => {
    const scores = await evaluated(
      '--run',
      at('runs/texts'),
      '--task',
      'mood=text-classification:sst-2',
      '--task',
      'text-classification:cola',
      '--task',
      'own=text-classification:sst-2',
      '--set',
      'tasks.own.pattern={a} so ___ .',
      '--set',
      'tasks.own.words={"negative":"no","positive":"yes"}',
    );
    const metrics = (task: string) =>
      scores.filter((score) => score.task === `${task} text classification`).map(({ metric }) => metric);
    expect(metrics('mood')).toEqual(['accuracy', 'macro-F1']);
    expect(metrics('cola')).toEqual(['Matthews', 'accuracy', 'macro-F1']);
    expect(metrics('own')).toEqual(['accuracy', 'macro-F1']);
    expect(scores.every(({ split }) => split === 'validation')).toBe(true);
    const cola = scores.find(({ metric }) => metric === 'Matthews');
    expect([cola?.chance, Object.keys(cola?.baselines ?? {})]).toEqual([0, ['majority', 'naiveBayes']]);
  });

  it('are scored on clips by a run of other families of clips', async () => {
    const scores = await evaluated(
      '--run',
      at('runs/clips'),
      '--task',
      'untuned=video-captioning:clips',
      '--set',
      'tasks.untuned.frames=1',
      '--splits',
      'test',
    );
    expect(new Set(scores.map(({ task }) => task))).toEqual(new Set(['untuned captioning']));
  });

  it('answer predictions by the form of a published task', async () => {
    const one = ['--run', at('runs/clips'), '--engine', 'wasm', '--json'];
    const { out } = await polygate('predict', 'classify-text', 'a fine film .', '--preset', 'sst-2', ...one);
    const { labels } = JSON.parse(out) as { readonly labels: readonly { readonly label: string }[] };
    expect(labels.map(({ label }) => label).sort()).toEqual(['negative', 'positive']);
    const pattern = ['--labels', 'bad,good', '--pattern', '{a} so ___'];
    const result = await polygate('predict', 'classify-text', 'a fine film .', ...pattern, ...one);
    expect(result.code).toBe(0);
  });

  it('say what is wrong with a description', async () => {
    const refused = async (...argv: string[]): Promise<string> => {
      const { code, log } = await polygate(
        'evaluate',
        '--run',
        at('runs/texts'),
        '--engine',
        'wasm',
        ...argv,
      );
      expect(code).not.toBe(0);
      return log;
    };
    expect(await refused('--task', 'sst-2')).toContain(
      'task: expected NAME=FAMILY:DATASET such as mood=text-classification:reviews, got "sst-2"',
    );
    expect(await refused('--task', 'x=text-classifying:sst-2')).toContain(
      'unknown task family "text-classifying"',
    );
    expect(await refused('--task', 'x=video-captioning:sst-2')).toContain(
      'task "x": expected a dataset of kind captioned-video for video-captioning, got "sst-2" of kind labelled-text; clips would do',
    );
    expect(await refused('--task', 'x=text-classification:sst-2', '--set', 'tasks.x.preset=mnli')).toContain(
      'preset "mnli": expected the classes entailment, neutral, contradiction, got negative, positive',
    );
    expect(
      await refused('--task', 'x=text-classification:sst-2', '--set', 'tasks.x.words={"positive":" "}'),
    ).toContain('expected words of one token or more, got " " for the class "positive"');
    expect(await refused('--set', 'tasks.x.preset=mnli')).toContain('expected --task NAME=FAMILY:DATASET');
    // The run was trained on texts alone: it has no experts for clips.
    expect(await refused('--task', 'x=video-captioning:clips')).toContain(
      'expected a family that the model has weights for',
    );
  });
});
