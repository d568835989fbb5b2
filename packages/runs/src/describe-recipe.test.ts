import { parseRecipe } from '@polygate/generalist';
import { registerTaskFamily, taskFamilies, taskFamilyNamed } from '@polygate/tasks';
import { expect, it } from 'vitest';
import { describeRecipe } from './describe-recipe.ts';

it('sizes a recipe without tasks by the families that such recipes train, of whatever package', () => {
  const moe = { experts: 4, topK: 2, condition: 'task' };
  const recipe = parseRecipe({ model: { preset: 'mini', moe }, tasks: {} });
  // Experts that are chosen by the task are merged once for each.
  const sets = (): number => Number(/\((\d+) merged sets\)/u.exec(describeRecipe(recipe))?.[1]);
  const trained = taskFamilies().filter(({ taskName }) => taskName !== undefined).length;
  expect(sets()).toBe(trained);

  const { predict: _verb, ...family } = taskFamilyNamed('text-classification');
  registerTaskFamily({ ...family, name: 'polarity', taskName: (dataset) => `${dataset}/polarity` });
  expect(sets()).toBe(trained + 1);
  const { taskName: _name, ...onDemand } = family;
  registerTaskFamily({ ...onDemand, name: 'on-demand' });
  expect(sets()).toBe(trained + 1);
});
