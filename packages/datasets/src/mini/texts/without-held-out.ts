/**
 * Texts quote one another: speeches repeat themselves, gospels tell the same. What training shares word for word with a
 * held-out document, of whichever text, is left out of training.
 */
import { selectSamples } from '../../samples/select-samples.ts';
import { fault, type ReaderItem } from '../../samples/sample.ts';
import type { MiniSet } from '../mini-set.ts';
import type { TextSide } from './running-text.ts';

/** Shorter paragraphs ("Amen.") may well be in several documents. */
const LEAST_CHARACTERS = 40;

/** As tokenizers of small letters see it. */
const keyOf = (text: string): string => text.trim().toLowerCase();

/** The sets with training paragraphs left out that are held out elsewhere; a document of which nothing is left is a fault. */
export const withoutHeldOut = async (
  sets: readonly MiniSet<TextSide>[],
): Promise<readonly MiniSet<TextSide>[]> => {
  const held = new Set<string>();
  for (const { reader, splitOf } of sets) {
    for await (const { texts = [] } of selectSamples(reader, {
      accept: (sample) => splitOf(sample) === 'validation',
    })) {
      for (const text of texts) if (text.length >= LEAST_CHARACTERS) held.add(keyOf(text));
    }
  }
  return sets.map(({ reader, splitOf }) => ({
    splitOf,
    reader: {
      ...reader,
      async *read(): AsyncGenerator<ReaderItem> {
        for await (const item of reader.read()) {
          if (item.kind === 'fault' || splitOf(item) === 'validation') {
            yield item;
            continue;
          }
          const texts = item.texts?.filter((text) => !held.has(keyOf(text))) ?? [];
          if (texts.length === 0)
            yield fault(item.id, 'shared-with-validation', 'expected a text of its own, got a held-out one');
          else yield texts.length === item.texts?.length ? item : { ...item, texts };
        }
      },
    },
  }));
};
