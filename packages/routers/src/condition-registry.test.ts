import { describe, expect, it } from 'vitest';
import { conditionNamed, conditionNames, registerCondition } from './condition-registry.ts';

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
