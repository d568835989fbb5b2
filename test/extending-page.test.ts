/** The page on extensions holds the examples that the tests run, all of them and as they are. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { exampleFiles, PAGE, placesOf, withExamples } from '../tools/extending-page.mjs';

it('docs/extending.md holds every example as test/extensions has it', async () => {
  const page = await readFile(join(import.meta.dirname, '..', PAGE), 'utf8');
  expect(placesOf(page)).toEqual(expect.arrayContaining([...exampleFiles()]));
  // Written anew by `node tools/extending-page.mjs`.
  expect(withExamples(page)).toBe(page);
});
