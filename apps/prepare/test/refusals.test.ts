/** What people write first and what they are told. */
import { describe, expect, it } from 'vitest';
import { prepare, resolvePrepareRecipe } from '@polygate/app-prepare';

describe('a first recipe', () => {
  it('that is the name of a source is shown how sources are written', () => {
    expect(() => resolvePrepareRecipe({ recipe: 'labelled-table' })).toThrow(
      'got the source "labelled-table"; sources stand in a recipe file, given by --recipe own.json: {"name": "own", "sources": {"photos": {"source": "labelled-table", ...}}} (docs/own-data.md)',
    );
  });

  it('with a text where a list belongs is shown the list', () => {
    const sources = { books: { source: 'plain-text', files: 'a.txt' } };
    expect(() => resolvePrepareRecipe({ recipe: { name: 'books', sources } })).toThrow(
      'sources.books.files: expected a list, got "a.txt"; write a list, ["a.txt"]',
    );
  });

  it('with a pattern of text files is told to list them', async () => {
    const sources = { books: { source: 'plain-text', files: ['books/*.txt'] } };
    await expect(prepare({ recipe: { name: 'books', sources } })).rejects.toThrow(
      'text files: expected names of files, got the pattern "*.txt"; list the files: "files": ["a.txt", "b.txt"]',
    );
  });
});
