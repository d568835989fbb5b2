/** Classes of the images of a sheet. */
import { values } from '@polygate/stream';
import { imagePatches } from '../../images.ts';
import { servingTask } from '../../serving.ts';
import type { FamilySheet } from '../sheet.ts';
import { classify } from './predict.ts';

export const classSheet: FamilySheet = {
  label: 'class',
  async answers({ model, dataset }, batch) {
    const { name, classes = [] } = dataset;
    const predicted = await classify(model, imagePatches(batch, model.image), {
      labels: classes,
      task: servingTask(model, 'image-classification', { dataset: name }),
    });
    const labels = values(batch, 'label');
    return predicted.map(([first], row) => ({
      answer: first?.label ?? '',
      expected: classes[Number(labels[row])] ?? '',
    }));
  },
};
