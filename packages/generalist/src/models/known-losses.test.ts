import { describe, expect, it } from 'vitest';
import { requireLoss } from './known-losses.ts';

describe('requireLoss', () => {
  const model = { architecture: 'uni-perceiver', losses: ['cross-entropy', 'contrastive'] };

  it('takes the losses of the model and refuses others, naming both', () => {
    requireLoss(model, { task: 'birds', loss: 'contrastive' });
    expect(() => requireLoss(model, { task: 'birds', loss: 'multi-label' })).toThrow(
      'task "birds": expected a loss that the model uni-perceiver has (cross-entropy, contrastive), got "multi-label"; train the task with a model that has it',
    );
  });
});
