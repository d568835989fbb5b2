/** Records of others that are not as their kind is: refused when they are registered, or named when they are used. */
import { loadExtensions } from '@polygate/core/node';
import { registerKind, registerReader } from '@polygate/datasets';
import { registerModel } from '@polygate/generalist';
import { registerModality } from '@polygate/modalities';
import { registerOptimizer } from '@polygate/nn';
import { conditionNamed, registerCondition } from '@polygate/routers';
import { registerTaskFamily } from '@polygate/tasks';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { polygate } from '../polygate.ts';
import { prepareSmallSuite, smallTrainingRecipe } from '../small-suite.ts';

type Fields = Readonly<Record<string, unknown>>;
const toy = async (file: string, name: string): Promise<Fields> =>
  ((await import(join(import.meta.dirname, `${file}.mjs`))) as Readonly<Record<string, Fields>>)[
    name
  ] as Fields;

/** Registers a record that differs from a good one in one field. */
const registering =
  (register: (record: never) => unknown, good: Fields) =>
  (field: string, value: unknown): (() => unknown) =>
  () =>
    register({ ...good, name: 'misfit', predict: undefined, [field]: value } as never);

describe('a record that is registered', () => {
  it('has every field that its kind asks for', async () => {
    const cases = [
      [
        'task family',
        registerTaskFamily,
        await toy('toy-family', 'toyVerdict'),
        ['kind', 'settings', 'defaults', 'segments', 'create', 'size', 'evaluate'],
      ],
      [
        'dataset kind',
        registerKind,
        await toy('toy-reader', 'labelledSignal'),
        ['modalities', 'hasClasses', 'needsTokenizer', 'columns', 'batches', 'synthetic'],
      ],
      [
        'reader',
        registerReader,
        await toy('toy-reader', 'asciiArt'),
        ['needs', 'settings', 'kinds', 'paths', 'open'],
      ],
      [
        'modality',
        registerModality,
        await toy('toy-modality', 'series'),
        [
          'attribute',
          'columns',
          'read',
          'tokens',
          'values',
          'synthetic',
          'resolve',
          'parameters',
          'check',
          'embed',
        ],
      ],
      [
        'model',
        registerModel,
        await toy('toy-model', 'toyPooled'),
        ['settings', 'config', 'configure', 'create', 'size', 'describe'],
      ],
      [
        'optimizer',
        registerOptimizer,
        await toy('toy-optimizer', 'toySign'),
        ['settings', 'slots', 'create'],
      ],
      ['condition', registerCondition, conditionNamed('modality') as unknown as Fields, ['create']],
    ] as const;
    for (const [kind, register, good, fields] of cases) {
      const misfit = registering(register as never, good);
      for (const field of fields) {
        expect(misfit(field, undefined), `${kind} ${field}`).toThrow(`${kind} "misfit": expected `);
        expect(misfit(field, undefined)).toThrow(`as "${field}", got nothing; correct the record`);
        expect(misfit(field, 7)).toThrow(`as "${field}", got 7; correct the record`);
      }
    }
  });

  it('has fields of the right form, also within', async () => {
    const family = registering(registerTaskFamily as never, await toy('toy-family', 'toyVerdict'));
    expect(family('settings', { wanted: 'x' })).toThrow(
      'registerTaskFamily: task family "misfit": expected a zod schema as "settings.wanted", got "x"; correct the record',
    );
    expect(family('segments', [])).toThrow('expected a list of at least 1 as "segments", got []');
    expect(family('signature', 7)).toThrow('as "signature", got 7; correct the record');
    expect(family('signature', { inputs: [], targets: ['text'] })).toThrow('as "signature.inputs", got []');
    expect(family('defaults', { labelSmoothing: 2 })).toThrow(
      'expected a number of 0 to 1 as "defaults.labelSmoothing", got 2',
    );
    const model = registering(registerModel as never, await toy('toy-model', 'toyPooled'));
    const { settings } = (await toy('toy-model', 'toyPooled')) as {
      settings: { width: { unwrap(): unknown } };
    };
    expect(model('settings', { width: settings.width.unwrap() })).toThrow(
      'expected a zod schema with a default, or an optional one as "settings.width"',
    );
    const optimizer = registering(registerOptimizer as never, await toy('toy-optimizer', 'toySign'));
    expect(optimizer('settings', settings)).toThrow('expected a zod object with the setting learningRate');
    expect(() => registerReader('x' as never)).toThrow('registerReader: expected a record, got "x"');
  });

  it('is named where its family speaks of what nothing registers', async () => {
    const good = await toy('toy-family', 'toyVerdict');
    registerTaskFamily({
      ...good,
      name: 'smelling',
      predict: undefined,
      signature: { inputs: ['smell'], targets: ['text'] },
    } as never);
    registerTaskFamily({ ...good, name: 'unkind', predict: undefined, kind: 'no-such' } as never);
    const { familySegments } = await import('@polygate/tasks');
    expect(() => familySegments('smelling')).toThrow(
      'unknown modality in the signature of the task family smelling, "smell": known: ',
    );
    expect(() => familySegments('unkind')).toThrow(
      'unknown kind of dataset of the task family unkind, "no-such": known: ',
    );
  });
});

describe('a module that registers', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'polygate-misfits-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('has a name', async () => {
    await expect(loadExtensions([''], { askedBy: '--extension' })).rejects.toThrow(
      'extension "" of --extension: expected a package or the path of a module, got no name; name one, or leave the option out',
    );
    expect((await polygate('pretrain', '--describe', '--extension', '')).code).toBe(2);
  });

  it('comes to an end, or is named when nothing is left to wait for', async () => {
    const file = join(folder, 'never.mjs');
    await writeFile(file, 'export const register = () => new Promise(() => {});');
    const loading = loadExtensions([file], { askedBy: '--extension' });
    // The process of the tests has more to do; of a command's this is the end.
    setTimeout(() => process.emit('beforeExit', 0), 50);
    await expect(loading).rejects.toThrow(
      `extension "${file}" of --extension: expected a module that is done once it is imported and its register() has ended, got one that waits for what never comes`,
    );
  });
});

describe('a record that misbehaves when it is used', () => {
  let scratch: string;
  let suite: string;
  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'polygate-faulty-'));
    ({ directory: suite } = await prepareSmallSuite(scratch));
  });
  afterAll(() => rm(scratch, { recursive: true, force: true }));

  const run = (name: string): string => join(scratch, 'runs', name);
  const pretrain = async (name: string, more: object) => {
    const file = join(scratch, `${name}.json`);
    const { model: _, tasks: __, ...common } = smallTrainingRecipe(suite);
    await writeFile(
      file,
      JSON.stringify({
        ...common,
        steps: '2 steps',
        extensions: [join(import.meta.dirname, 'faulty.mjs')],
        ...more,
      }),
    );
    return polygate('pretrain', '--recipe', file, '--run', run(name));
  };
  const colours = { family: 'image-classification', dataset: 'colours', batchSize: 4 };
  const model = (fault: string) =>
    pretrain(fault, { model: { architecture: 'faulty-pooled', width: 4, fault }, tasks: { colours } });
  const { model: encoder } = smallTrainingRecipe('');
  const family = (fault: string) =>
    pretrain(fault, {
      model: encoder,
      tasks: {
        verdict: { family: 'faulty-verdict', dataset: 'colours', batchSize: 4, wanted: ['red'], fault },
      },
    });

  it('is named with its module, as a model', async () => {
    for (const [fault, text] of [
      [
        'nan-size',
        'model "faulty-pooled": what size() gives: expected a finite number of 0 or more as "parameters", got NaN',
      ],
      [
        'big-state',
        'model "faulty-pooled": what create().extraState.save() gives: expected what JSON can hold as "pace", got 10n',
      ],
      [
        'nan-state',
        'model "faulty-pooled": what create().extraState.save() gives: expected a finite number as "pace", got NaN',
      ],
      [
        'number-metric',
        'model "faulty-pooled": what create().loss() gives: expected a scalar as "metrics.accuracy", got 1',
      ],
    ] as const) {
      const { code, log } = await model(fault);
      expect([code, log]).toEqual([2, expect.stringContaining(text)]);
      expect(log).toMatch(
        /the extension \.\/test\/extensions\/faulty\.mjs(?::\d+)? \(model "faulty-pooled"\)/u,
      );
    }
  });

  it('does not answer with what is no score', async () => {
    const image = join(scratch, 'images', 'red', 'left-4.svg');
    for (const [fault, text] of [
      ['nan-scores', 'what create().scores() gives: expected a typed array of finite numbers, got '],
      ['infinite-scores', 'what create().scores() gives: expected a typed array of finite numbers, got '],
      ['few-scores', 'what create().scores() gives: expected scores of 4 queries, equally many for each'],
    ] as const) {
      expect((await model(fault)).code).toBe(0);
      const evaluated = await polygate(
        'evaluate',
        '--run',
        run(fault),
        '--limit',
        '4',
        '--splits',
        'train',
        '--datasets',
        'colours',
        '--engine',
        'wasm',
      );
      expect([evaluated.code, evaluated.log]).toEqual([2, expect.stringContaining(text)]);
      const asked = await polygate('predict', 'classify', image, '--run', run(fault), '--engine', 'wasm');
      expect([asked.code === 0, asked.out]).toEqual([false, '']);
    }
  });

  it('is named by the line that threw', async () => {
    await model('throws-at-restore');
    const opened = await polygate('evaluate', '--run', run('throws-at-restore'), '--engine', 'wasm');
    expect(opened.code).toBe(1);
    expect(opened.log).toMatch(
      /cannot restore\nThrown in the extension \.\/test\/extensions\/faulty\.mjs:\d+ \(model "faulty-pooled"\); mend it there/u,
    );
    const { code, log } = await family('throws');
    expect(code).toBe(1);
    expect(log).toMatch(
      /Thrown in the extension \.\/test\/extensions\/faulty\.mjs:\d+ \(task family "faulty-verdict"\); mend it there/u,
    );
  });

  it('is named with its module, as a family', async () => {
    for (const [fault, text] of [
      ['size', 'task family "faulty-verdict": what size() gives: expected an object, got 7'],
      [
        'kept',
        'task family "faulty-verdict": what kept() gives: expected what JSON can hold as "big", got 10n',
      ],
      [
        'other-temperature',
        'task family "faulty-verdict": expected what create() gives to have the family "faulty-verdict", got "toy-verdict"',
      ],
      [
        'few-labels',
        'task family "faulty-verdict": what create().collate() gives: expected one for each of 4 queries as "labels"',
      ],
    ] as const) {
      const { code, log } = await family(fault);
      expect([code, log]).toEqual([2, expect.stringContaining(text)]);
    }
    for (const [fault, text] of [
      ['half', 'what evaluate() gives: expected a text that is not empty as "0.metric", got nothing'],
      ['nothing', 'what evaluate() gives: expected a list, got nothing'],
    ] as const) {
      expect((await family(fault)).log).toContain('finished at step 2');
      const { code, log } = await polygate(
        'evaluate',
        '--run',
        run(fault),
        '--datasets',
        'colours',
        '--limit',
        '4',
      );
      expect([code, log]).toEqual([2, expect.stringContaining(text)]);
    }
  });
});
