/** Captions of the images of a sheet. */
import { firstCaption } from '@polygate/datasets';
import { imagePatches } from '../../images.ts';
import { servingTask } from '../../serving.ts';
import type { FamilySheet } from '../sheet.ts';
import { caption } from './predict.ts';

export const captionSheet: FamilySheet = {
  label: 'caption',
  async answers({ model, dataset }, batch) {
    const captions = await caption(model, imagePatches(batch, model.image), {
      task: servingTask(model, 'image-captioning', { dataset: dataset.name }),
    });
    return captions.map(([best], row) => ({
      answer: best?.text ?? '',
      expected: firstCaption(batch, row, model.tokenizer) ?? '',
    }));
  },
};
