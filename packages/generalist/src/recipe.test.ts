import { describe, expect, it } from 'vitest';
import { applyOverrides } from './recipe-overrides.ts';
import { defineRecipe, parseRecipe, parseStoredRecipe, type Recipe } from './recipe.ts';

describe('parseRecipe', () => {
  it('fills in a whole run from nothing', () => {
    const recipe = parseRecipe({});
    expect(recipe.optimizer).toEqual({
      kind: 'adamw',
      learningRate: 5e-4,
      beta1: 0.9,
      beta2: 0.98,
      epsilon: 1e-6,
      weightDecay: 0.05,
      clipNorm: 0.5,
    });
    expect(recipe.schedule).toEqual({ kind: 'warmup-cosine', warmup: '5%', minimum: 1e-6 });
    expect(recipe.mixing.temperature).toBe(2);
    expect(recipe.model).toEqual({ preset: 'mini-moe' });
  });

  it('lists the known keys for an unknown one, at any depth', () => {
    expect(() => parseRecipe({ optimizer: { learningrate: 1 } })).toThrow(
      'unknown recipe key "optimizer.learningrate": did you mean "optimizer.learningRate"? known: optimizer.beta1,',
    );
    expect(() => parseRecipe({ stepz: 'x' })).toThrow('did you mean "steps"?');
    expect(() =>
      parseRecipe({ tasks: { a: { family: 'image-captioning', dataset: 'd', batchsize: 1 } } }),
    ).toThrow('did you mean "tasks.a.batchSize"?');
    expect(() =>
      parseRecipe({
        tasks: {
          a: {
            family: 'image-captioning',
            dataset: 'd',
            candidates: { kind: 'sampled', negatives: 1, pow: 1 },
          },
        },
      }),
    ).toThrow('tasks.a.candidates.power');
  });

  it('says which setting has a bad value', () => {
    expect(() => parseRecipe({ steps: '12 parsecs' })).toThrow(
      'recipe: steps: duration: expected whole steps such as 5000, or a number with a unit such as "5000 steps"',
    );
    expect(() => parseRecipe({ optimizer: { beta1: 2 } })).toThrow('recipe: optimizer.beta1: ');
    expect(() => parseRecipe({ optimizer: { beta2: 1 } })).toThrow('recipe: optimizer.beta2: ');
    for (const [key, value] of [
      ['steps', { steps: 0 }],
      ['validation.every', { validation: { every: 0 } }],
      ['checkpoint.every', { checkpoint: { every: '0%' } }],
    ] as const)
      expect(() => parseRecipe(value)).toThrow(`recipe: ${key}: expected more than 0, such as "1 step"`);
    for (const name of ['../../x', '..', '', 'a/b'])
      expect(() => parseRecipe({ name })).toThrow('recipe: name: expected the name of a folder, no path');
  });
});

const expertsOf = ({ model }: Recipe) => ('moe' in model ? model.moe : undefined);

describe('applyOverrides', () => {
  it('takes a word or a record where either is allowed', () => {
    const capacityOf = (text: string) =>
      expertsOf(applyOverrides({}, [`model.moe.capacityFactor=${text}`]))?.capacityFactor;
    expect(capacityOf('dropless')).toBe('dropless');
    expect(capacityOf('{"train":1.5}')).toEqual({ train: 1.5 });
    expect(() => capacityOf('droples')).toThrow(
      '--set model.moe.capacityFactor=droples: expected "dropless" or an object, got "droples"; write it as JSON, for example model.moe.capacityFactor={"key":1}',
    );
  });

  it('sets numbers, texts, booleans, nulls and lists by path', () => {
    const recipe = applyOverrides(
      { tasks: { mnist: { family: 'image-classification', dataset: 'mnist' } } },
      [
        'optimizer.learningRate=1e-3',
        'steps=500 steps',
        'model.moe.attention=false',
        'optimizer.clipNorm=null',
        'validation.splits=["a","b"]',
        'tasks.mnist.weight=2',
        'tasks.mnist.candidates.kind=whole',
        'name=7',
      ],
    );
    expect(recipe.optimizer.learningRate).toBe(0.001);
    expect(recipe.optimizer.beta2).toBe(0.98);
    expect(recipe.steps).toBe('500 steps');
    expect(expertsOf(recipe)).toEqual({ attention: false });
    expect(recipe.optimizer.clipNorm).toBeNull();
    expect(recipe.validation.splits).toEqual(['a', 'b']);
    expect(recipe.tasks['mnist']?.weight).toBe(2);
    expect(recipe.tasks['mnist']).toMatchObject({ candidates: { kind: 'whole' } });
    expect(recipe.name).toBe('7');
    expect(expertsOf(applyOverrides({}, ['model.moe=null']))).toBeNull();
  });

  it('takes a plain number as steps for every duration', () => {
    const recipe = applyOverrides({}, [
      'steps=60',
      'schedule.warmup=5',
      'checkpoint.every=10',
      'telemetry.every=null',
      'validation.every=1e3',
      'validation.splits=test',
    ]);
    expect(recipe.steps).toBe('60 steps');
    expect(recipe.schedule.warmup).toBe('5 steps');
    expect(recipe.checkpoint.every).toBe('10 steps');
    expect(recipe.telemetry.every).toBeNull();
    expect(recipe.validation).toMatchObject({ every: '1000 steps', splits: ['test'] });
    expect(parseRecipe({ steps: 60 }).steps).toBe('60 steps');
    expect(() => applyOverrides({}, ['schedule.warmup=0.05'])).toThrow('expected whole steps such as 5000');
  });

  it('finds keys by own names only', () => {
    for (const path of [
      'toString',
      '__proto__',
      'constructor.x',
      'optimizer.toString',
      'tasks.__proto__.weight',
    ]) {
      expect(() => applyOverrides({}, [`${path}=1`])).toThrow('unknown setting "');
    }
  });

  it('leaves the recipe that it was given alone', () => {
    const recipe = { optimizer: { learningRate: 1 } };
    applyOverrides(recipe, ['optimizer.learningRate=2']);
    expect(recipe.optimizer.learningRate).toBe(1);
  });

  it('explains what is wrong with a setting', () => {
    expect(() => applyOverrides({}, ['steps'])).toThrow(
      '--set: expected path=value such as model.layers=1, got "steps"',
    );
    expect(() => applyOverrides({}, ['optimiser.learningRate=1'])).toThrow(
      'unknown setting "optimiser": did you mean "optimizer"?',
    );
    expect(() => applyOverrides({}, ['optimizer.lr=1'])).toThrow(
      'unknown setting "optimizer.lr": known: optimizer.beta1',
    );
    expect(() => applyOverrides({}, ['seed.x=1'])).toThrow('unknown setting "seed.x": known: (none)');
    expect(() => applyOverrides({}, ['seed=one'])).toThrow(
      '--set seed=one: expected a number, got "one"; write it as JSON, for example seed=0.001',
    );
    expect(() => applyOverrides({}, ['seed=0.5'])).toThrow('recipe: seed: ');
  });
});

describe('defineRecipe', () => {
  it('gives the recipe as it is, known to the compiler, and checks what that can not see', () => {
    const recipe = defineRecipe({ suite: 'data/own', model: { layers: 2 }, steps: '100 steps' });
    expect(recipe).toEqual({ suite: 'data/own', model: { layers: 2 }, steps: '100 steps' });
    // @ts-expect-error the key is unknown
    expect(() => defineRecipe({ stepz: 5 })).toThrow('did you mean "steps"?');
    // @ts-expect-error a number
    expect(() => defineRecipe({ seed: 'one' })).toThrow('recipe: seed');
    expect(() => defineRecipe({ optimizer: { beta1: 2 } })).toThrow('recipe: optimizer.beta1: ');
  });

  it('opens recipes of 0.1.0, whose tasks have settings of other families', () => {
    const task = { family: 'image-text-retrieval', dataset: 'd', maskRate: 0.15 };
    expect(parseRecipe({ tasks: { a: task } }).tasks['a']).not.toHaveProperty('maskRate');
    const chosen = { ...task, candidates: { kind: 'whole' }, maskRate: 0.3 };
    expect(() => parseRecipe({ tasks: { a: chosen } })).toThrow('unknown recipe key "tasks.a.maskRate"');
    expect(parseStoredRecipe({ tasks: { a: chosen } }).tasks['a']).toEqual({
      family: 'image-text-retrieval',
      dataset: 'd',
      split: 'train',
      lossWeight: 1,
      batchSize: 32,
      labelSmoothing: 0.1,
    });
  });
});
