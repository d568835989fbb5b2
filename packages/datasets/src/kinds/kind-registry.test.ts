import { createRandom } from '@polygate/core';
import { buildBatch, readDatasetMetadata } from '@polygate/stream';
import { trainTokenizer } from '@polygate/tokens';
import { describe, expect, it } from 'vitest';
import { datasetSchema } from '../suite/schemas.ts';
import { kindNamed, kindNames } from './kind-registry.ts';

const words = ['red', 'blue', 'house'];
const tokenizer = trainTokenizer(words, { vocabularySize: 300, lowercase: true });

describe('kinds of datasets', () => {
  it.each(
    kindNames().flatMap((name) => [
      [name, {}],
      [name, { pairs: true }],
    ]),
  )('%s makes up rows of its own columns, %j', (name, settings) => {
    const kind = kindNamed(name);
    const schema = datasetSchema({ kind: name, imageSize: 4, settings });
    const columns = kind.synthetic({
      rows: 3,
      imageSize: 4,
      textLength: 8,
      tokenizer,
      words,
      classes: ['a', 'b'],
      random: createRandom(1),
      settings,
    });
    // A batch refuses columns that are missing, too many, or of another type.
    const batch = buildBatch(schema, columns);
    expect(batch.numRows).toBe(3);
    // One class of each row, or the list of those that hold of it.
    const isLabel = ({ name: column }: { readonly name: string }) =>
      column === 'label' || column === 'labels';
    expect(schema.fields.some(isLabel)).toBe(kind.hasClasses);
    expect(readDatasetMetadata(schema).kind).toBe(name);
  });

  it('are listed where one is not there', () => {
    expect(() => kindNamed('labelled-images')).toThrow(
      'unknown dataset kind "labelled-images": did you mean "labelled-image"?',
    );
    expect(() => datasetSchema({ kind: 'clip' })).toThrow('unknown dataset kind "clip"');
  });
});
