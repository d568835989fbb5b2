import { describe, expect, it } from 'vitest';
import { chosenLabels } from './label-answers.ts';

const tasks = [
  { name: 'clips', family: 'video-classification', dataset: 'clips', classes: ['green', 'blue'] },
  { name: 'reviews', family: 'text-classification', dataset: 'reviews', classes: ['bad', 'good'] },
];
const options = { verb: 'classify-text', family: 'text-classification' };

describe('chosenLabels', () => {
  it('are the classes of the task of the family', () => {
    expect(chosenLabels({ tasks }, {}, options)).toMatchObject({ labels: ['bad', 'good'], task: 'reviews' });
    expect(chosenLabels({ tasks }, { task: 'reviews' }, options).labels).toEqual(['bad', 'good']);
  });

  it('are never the classes of a task of another family, which may serve labels that are given', () => {
    expect(() => chosenLabels({ tasks }, { task: 'clips' }, options)).toThrow(
      'classify-text: expected labels, since "clips" is a task of video-classification, whose classes are none of text-classification; give words to choose from',
    );
    expect(chosenLabels({ tasks }, { task: 'clips', labels: ['x', 'y'] }, options)).toMatchObject({
      labels: ['x', 'y'],
      task: 'clips',
    });
  });
});
