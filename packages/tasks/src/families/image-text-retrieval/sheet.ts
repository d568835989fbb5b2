/** The caption of its split that is nearest to each image of a sheet. */
import { firstCaption } from '@polygate/datasets';
import { nestedListRow } from '@polygate/stream';
import { imagePatches } from '../../images.ts';
import { servingTask } from '../../serving.ts';
import type { FamilySheet, SheetContext } from '../sheet.ts';
import { retrieveTexts } from './predict.ts';

/** Most texts that an image is compared with. */
const MOST_TEXTS = 2000;

/** The captions of a split that differ, in its order. */
const galleryOf = async ({ model, data, dataset, split }: SheetContext): Promise<readonly string[]> => {
  const texts = new Set<string>();
  for await (const batch of (await data.shards(dataset.name, split)).batches()) {
    for (let row = 0; row < batch.numRows; row += 1) {
      for (const tokens of nestedListRow(batch, 'captions', row)) {
        const text = model.tokenizer.decode(Array.from(tokens, Number)).trim();
        if (text !== '' && texts.size < MOST_TEXTS) texts.add(text);
      }
    }
    if (texts.size >= MOST_TEXTS) break;
  }
  return [...texts];
};

export const retrievalSheet: FamilySheet = {
  label: 'nearest',
  async answers(context, batch) {
    const { model, dataset } = context;
    const texts = await galleryOf(context);
    const nearest = await retrieveTexts(model, imagePatches(batch, model.image), {
      texts,
      task: servingTask(model, 'image-text-retrieval', { dataset: dataset.name }),
    });
    return Array.from(nearest, (index, row) => ({
      answer: texts[index] ?? '',
      expected: firstCaption(batch, row, model.tokenizer) ?? '',
    }));
  },
};
