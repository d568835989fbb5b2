import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { conditionNamed, conditionNames, createCondition, registerCondition } from './condition-registry.ts';

describe('conditions by name', () => {
  it('lists those of the paper and the baseline', () => {
    expect(conditionNames()).toEqual(
      expect.arrayContaining(['modality', 'task', 'attribute', 'task-specific']),
    );
  });

  it('finds by name and lists the known ones otherwise', () => {
    expect(conditionNamed('task').name).toBe('task');
    expect(() => conditionNamed('tsak')).toThrow(
      /^unknown condition "tsak": did you mean "task"\? known: attribute, .*task-specific/u,
    );
  });

  it('takes a new one, but not twice, nor under a name that files could not have', () => {
    const { create } = conditionNamed('attribute');
    registerCondition({ name: 'a-seventh', summary: 'for this test', create });
    expect(conditionNames().at(-1)).toBe('a-seventh');
    expect(() => registerCondition({ name: 'a-seventh', summary: 'again', create })).toThrow(
      /^registerCondition: expected a name that is free, got "a-seventh"; choose another, taken are /u,
    );
    expect(() => registerCondition({ name: 'My Condition', summary: '', create })).toThrow(
      'registerCondition: expected a name of lower-case letters, digits and hyphens, got "My Condition"; recipes and file names use it',
    );
  });
});

describe('createCondition', () => {
  const nobody = { modalities: ['text'], tasks: [] };

  it('refuses a condition that does not say what it reads or costs, by name', () => {
    const token = conditionNamed('token').create(nobody);
    const make = (change: object) => {
      const name = `undeclared-${conditionNames().length}`;
      registerCondition({ name, summary: 'for this test', create: () => ({ ...token, name, ...change }) });
      return () => createCondition(name, nobody);
    };
    expect(make({ reads: undefined })).toThrow(
      /^undeclared-\d+ condition: expected "reads", what its decisions depend on, some of attributes, modality, task, token, context, got nothing; declare it in the condition$/u,
    );
    expect(make({ reads: ['words'] })).toThrow(/expected "reads".*got \["words"\]/u);
    expect(make({ reads: ['task'] })).toThrow(
      /expected dataIndependent true of a condition that reads task, got false; correct one of the two$/u,
    );
    expect(make({ flops: undefined })).toThrow(
      /expected "flops", what one of its routers costs, got nothing; declare it in the condition, with the product of its gates$/u,
    );
  });

  it('checks the settings of a condition by its schema, and refuses those of one without', () => {
    const seen: unknown[] = [];
    registerCondition({
      name: 'with-settings',
      summary: 'for this test',
      settings: z.strictObject({ reach: z.number().min(1).default(4) }),
      create: ({ settings }) => {
        seen.push(settings);
        return conditionNamed('token').create(nobody);
      },
    });
    createCondition('with-settings', nobody);
    createCondition('with-settings', { ...nobody, settings: { reach: 7 } });
    expect(seen).toEqual([{ reach: 4 }, { reach: 7 }]);
    expect(() => createCondition('with-settings', { ...nobody, settings: { reach: 0 } })).toThrow(
      'with-settings condition: reach: ',
    );
    expect(() => createCondition('token', { ...nobody, settings: { reach: 7 } })).toThrow(
      'token condition: expected no settings of its own, got {"reach":7}; leave conditionSettings out',
    );
  });
});
