/** Probes of a frozen run and of its export, and the details that an evaluation writes beside its scores. */
import { compareRuns, evaluate, probeRun, readOutcomes } from '@polygate/app-evaluate';
import type { ScoreReport } from '@polygate/evaluation';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, openSuite, probeSuite, saveModel, taskSegments } from '@polygate/generalist';
import { writeTinyRun } from '../../../packages/generalist/test/tiny-run.ts';
import { writeTinySuite } from '../../../packages/generalist/test/tiny-suite.ts';

let scratch: string;
let suite: string;
let run: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'polygate-probe-'));
  suite = await writeTinySuite();
  run = join(scratch, 'run');
  await writeTinyRun(run, suite);
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
  await rm(suite, { recursive: true, force: true });
});

describe('a probe', () => {
  it('scores neighbours and a linear probe on the datasets that have classes, the same each time', async () => {
    const { scores, files } = await probeRun({ run, engine: 'wasm' });
    expect(scores.map(({ task, split, metric }) => `${task}, ${split}, ${metric}`)).toEqual([
      'colours probe, test, linear probe top-1',
      'colours probe, test, 16-NN top-1',
    ]);
    for (const score of scores) {
      expect(score.chance).toBe(0.25);
      expect(score.count).toBe(8);
      expect(score.outcomes).toBeUndefined();
    }
    // Colours are plain to see, also for a model that was never trained.
    expect(scores[0]?.value).toBeGreaterThan(0.7);
    const stored = JSON.parse(await readFile(files.probe, 'utf8')) as { scores: ScoreReport[] };
    expect(stored.scores).toEqual(scores);
    const again = await probeRun({ run, engine: 'wasm', output: scratch, neighbours: 3, strengths: [1] });
    expect(again.scores[1]?.metric).toBe('3-NN top-1');
    const { scores: compared } = await compareRuns(files.outcomes, again.files.outcomes);
    expect(compared.map(({ metric }) => metric)).toEqual(['linear probe top-1']);
  });

  it('takes an exported model', async () => {
    using model = await loadModel(join(run, 'checkpoints', 'step-7'));
    const rows = taskSegments({ name: 'naming', family: 'image-classification' });
    const exported = model.exports?.merged?.({ rows }).model;
    expect(exported).toBeDefined();
    const folder = join(scratch, 'exported');
    if (exported) await saveModel(exported, folder);
    exported?.dispose();
    const { scores } = await probeRun({ run: folder, suite, engine: 'wasm' });
    const probed = await probeRun({ run, engine: 'wasm' });
    expect(scores.map(({ metric, value }) => [metric, value])).toEqual(
      probed.scores.map(({ metric, value }) => [metric, value]),
    );
  });

  it('says what cannot be probed', async () => {
    await expect(probeRun({ run, engine: 'wasm', datasets: ['lines'] })).rejects.toThrow(
      /^probe: expected a dataset with classes, a training split and a held-out one in .*, got colours \(labelled-image: train 16, test 8\); .*; prepare one, or name other datasets$/u,
    );
    await expect(probeRun({ run, engine: 'wasm', datasets: ['coloors'] })).rejects.toThrow(
      'unknown dataset "coloors": did you mean "colours"?',
    );
    await expect(probeRun({ run, engine: 'wasm', splits: ['tset'] })).rejects.toThrow(
      'unknown split "tset": did you mean "test"?',
    );
    using model = await loadModel(join(run, 'checkpoints', 'step-7'));
    await using data = await openSuite(suite);
    const blind = { ...model, embedding: undefined, architecture: 'toy' } as unknown as typeof model;
    await expect(probeSuite(blind, data)).rejects.toThrow(
      'probe: expected a model that embeds its inputs, got one of the architecture toy; evaluate its scores instead',
    );
  });
});

describe('details of an evaluation', () => {
  it('stand beside the scores, which are as without them, and in outcomes.json', async () => {
    const { scores, details, files } = await evaluate({ run, engine: 'wasm', images: 0 });
    const named = (list: readonly ScoreReport[], task: string) =>
      list.filter((score) => score.task === task).map(({ metric }) => metric);
    expect(named(scores, 'colours classification')).toEqual(['top-1', 'macro-F1']);
    expect(named(details, 'colours classification')).toEqual([
      'balanced accuracy',
      'NLL',
      'Brier score',
      'ECE (15 bins)',
    ]);
    expect(named(details, 'images retrieval')).toEqual([
      'text median rank',
      'text MRR',
      'image median rank',
      'image MRR',
    ]);
    expect(named(details, 'images captioning')).toEqual([
      'BLEU-1',
      'BLEU-2',
      'BLEU-3',
      'CIDEr-D (training frequencies)',
    ]);
    const [balanced, nll, , calibration] = details;
    expect(balanced?.tables?.classes?.map(({ name, samples }) => [name, samples])).toEqual([
      ['red', 2],
      ['green', 2],
      ['blue', 2],
      ['white', 2],
    ]);
    expect(balanced?.tables?.averages?.map(({ name }) => name)).toEqual(['micro', 'macro', 'weighted']);
    expect(balanced?.value).toBeCloseTo(scores[0]?.value ?? Number.NaN, 12);
    expect(nll?.chance).toBeCloseTo(Math.log(4), 12);
    const counts = calibration?.tables?.reliability?.map(({ count }) => count) ?? [];
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(8);
    const ranks = details.find(({ metric }) => metric === 'text median rank');
    // 8 images with a text each of 8: of a random order the middle.
    expect(ranks?.chance).toBeCloseTo(4.5, 12);
    for (const score of [...scores, ...details]) expect(score.outcomes).toBeUndefined();
    const stored = JSON.parse(await readFile(files.evaluation, 'utf8')) as { details: unknown };
    expect(stored.details).toEqual(JSON.parse(JSON.stringify(details)));
    const report = await readFile(files.report, 'utf8');
    expect(report).toContain(
      '| class | precision | recall | F1 | AUROC | average precision | predicted | n |',
    );
    expect(report).toContain('| *macro average* |');
    expect(report).toContain('Confidence of test:');
    const { scores: kept } = await readOutcomes(run);
    const primary = kept.find(({ metric }) => metric === 'top-1');
    expect(primary?.value).toBe(scores[0]?.value);
    expect(primary?.outcomes?.groups).toHaveLength(8);
    const { scores: compared } = await compareRuns(run, run, { details: true });
    expect(compared.every(({ verdict }) => verdict === 'the same on every sample')).toBe(true);
  });
});
