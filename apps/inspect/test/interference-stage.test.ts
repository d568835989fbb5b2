import { formatInterference, inspectInterference } from '@polygate/app-inspect';
import {
  firstOrderChanges,
  interferenceMatrix,
  plainMatrix,
  readInterference,
  type InterferenceRecord,
} from '@polygate/interference';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTinyRun } from '../../../packages/generalist/test/tiny-run.ts';
import { writeTinySuite } from '../../../packages/generalist/test/tiny-suite.ts';

let scratch: string;
let suite: string;
let run: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'polygate-interference-'));
  suite = await writeTinySuite();
  run = join(scratch, 'run');
  await writeTinyRun(run, suite);
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
  await rm(suite, { recursive: true, force: true });
});

const two = ['colours', 'images/retrieval'];

describe('inspectInterference', () => {
  it(
    'measures the latest checkpoint of a run and writes what the report reads',
    { timeout: 180_000 },
    async () => {
      const before = await readFile(join(run, 'checkpoints', 'step-7', 'model.safetensors'));
      const { record, file } = await inspectInterference({ run, tasks: two, batches: 3, directions: 1 });
      expect(file).toBe(join(run, 'inspect', 'interference.json'));
      expect(await readInterference(file)).toEqual(record);
      await writeFile(file, `\ufeff${await readFile(file, 'utf8')}`);
      expect(await readInterference(file)).toEqual(record);
      expect(record).toMatchObject({ tasks: two, trainedSteps: 7, batches: 3, directions: 1, repeated: two });
      const [site] = record.sites;
      expect(site).toMatchObject({
        layer: 1,
        linear: 'ffn.fc2',
        experts: 3,
        condition: 'attribute',
        weights: 3 * 16 * 32,
      });
      expect(site?.exact?.cells[0]?.[1]?.ratio.value).not.toBeNaN();
      expect(await readFile(join(run, 'checkpoints', 'step-7', 'model.safetensors'))).toEqual(before);
    },
  );

  it('says which tasks there are, and that one is not enough', async () => {
    await expect(inspectInterference({ run, tasks: ['colors', 'lines'] })).rejects.toThrow(
      'unknown task "colors": did you mean "colours"? known: colours, images/captioning, images/retrieval, lines',
    );
    await expect(inspectInterference({ run, checkpoint: 'step-70' })).rejects.toThrow(
      `unknown checkpoint of ${run} "step-70"`,
    );
    await expect(inspectInterference({ run, tasks: ['lines'] })).rejects.toThrow(
      'expected two or more tasks, got 1 (lines); one task has nothing to interfere with',
    );
    await expect(inspectInterference({ run, tasks: two, layers: [2], batches: 3 })).rejects.toThrow(
      'expected layers from 1 to 1, got 2',
    );
  });

  it('needs to know the tasks of a model', async () => {
    const bare = join(scratch, 'bare');
    await writeTinyRun(bare, suite);
    await rm(join(bare, 'recipe.json'));
    await expect(inspectInterference({ run: bare, engine: 'wasm' })).rejects.toThrow(
      'expected a run folder with recipe.json, which names the tasks',
    );
  });
});

describe('readInterference', () => {
  it('is undefined where nothing was measured, and refuses text that is no record', async () => {
    expect(await readInterference(join(scratch, 'none.json'))).toBeUndefined();
    const path = join(scratch, 'bad.json');
    await writeFile(path, '{');
    await expect(readInterference(path)).rejects.toThrow(
      /expected JSON, got .* at \d+:\d+; measure it again/u,
    );
  });
});

describe('formatInterference', () => {
  it('puts ratios with errors first, equation 2 and the median under them, and says what to doubt', () => {
    // Task 0 pulls along (3, 4) in every batch; task 1 is undecided: its own steps do it no good.
    const gradients = [
      ...[
        [3, 4],
        [3, 4],
        [3, 4],
      ],
      ...[
        [1, 0],
        [-1, 0],
        [1, 0],
      ],
    ];
    const products = gradients.flatMap(([x = 0, y = 0]) => gradients.map(([u = 0, v = 0]) => x * u + y * v));
    const record: InterferenceRecord = {
      kind: 'polygate-interference',
      version: 1,
      run: 'runs/x',
      trainedSteps: 10,
      tasks: ['a/images', 'a/words'],
      batches: 3,
      directions: 2,
      stepShare: 1e-3,
      seed: 1,
      updates: 0,
      rounds: 0,
      learningRate: null,
      model: null,
      repeated: ['a/words'],
      engine: { name: 'wasm', device: 'cpu', precision: 'f32' },
      sites: [
        {
          layer: 4,
          layers: 12,
          linear: 'ffn.fc2',
          experts: 0,
          condition: null,
          weights: 2,
          step: 1,
          firstOrder: plainMatrix(
            interferenceMatrix(firstOrderChanges(products, { tasks: 2, batches: 3 }), { resamples: 20 }),
          ),
          exact: null,
        },
      ],
    };
    const lines = formatInterference(record).split('\n');
    expect(lines[0]).toBe('layer 4 of 12, ffn.fc2, dense (first order, 3 batches a task)');
    expect(lines[1]).toMatch(/^effect on \\ of a step of +images +words$/u);
    // D_00 = 5 for all; D_01 = 3 * mean of the other two signs: 0, 3, 0; their sum 3 over 15.
    expect(lines[2]).toMatch(/^images +1 +0\.20 ± \d\.\d\d$/u);
    expect(lines[3]).toMatch(/^words \* +\S+ ± \S+ +1$/u);
    expect(lines[6]).toMatch(/^ {2}images +1, 1 +0\.20, 0\.00$/u);
    const text = lines.join('\n');
    expect(text).toContain('* this task’s own steps hardly lower its loss here');
    expect(text).toContain('Some samples come in more than one batch of a/words');
  });
});
