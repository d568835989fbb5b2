import { describe, expect, it } from 'vitest';
import { AdaptiveState, type AdaptiveRules } from './adaptive-state.ts';

const allocation = {
  patience: 1,
  minimumDelta: 0,
  smoothing: 0,
  by: 'task-modality',
  loss: 'alone',
} as const;
const rules: AdaptiveRules = {
  allocation,
  pace: null,
  experts: 4,
  topK: 1,
  tasks: new Map([
    ['push', ['image', 'force', 'force']],
    ['look', ['image']],
  ]),
};

describe('experts of modalities', () => {
  it('follow the loss of each modality of each task, by itself', () => {
    const state = new AdaptiveState(rules);
    for (const force of [1, 1]) {
      state.endEpoch({
        'push/validation/loss-image': force === 1 ? 1 : 0.5,
        'push/validation/loss-force': 1,
        'look/validation/loss-image': 1 / (1 + state.save().epoch),
        'look/validation/loss': 9,
      });
    }
    expect([state.expertsOf('push', 'force'), state.expertsOf('look', 'image')]).toEqual([2, 1]);
    expect(state.expertsOf('push', 'image')).toBe(2);
    expect(state.paceOf('push', 'image')).toBe(1);
    // A task that nothing validates keeps its numbers.
    const saved = state.save();
    state.endEpoch({});
    expect(state.save()).toEqual({ ...saved, epoch: 3 });
  });

  it('follow a modality in all tasks, or the whole loss of a task, where they are told to', () => {
    const byModality = new AdaptiveState({ ...rules, allocation: { ...allocation, by: 'modality' } });
    // The mean of the image's losses: 1, then 1 again, though one task improved.
    byModality.endEpoch({ 'push/validation/loss-image': 1, 'look/validation/loss-image': 1 });
    byModality.endEpoch({ 'push/validation/loss-image': 1.5, 'look/validation/loss-image': 0.5 });
    expect(byModality.expertsOf('push', 'image')).toBe(2);
    expect(byModality.expertsOf('look', 'image')).toBe(2);
    const whole = new AdaptiveState({ ...rules, allocation: { ...allocation, loss: 'all' } });
    whole.endEpoch({ 'look/validation/loss': 1, 'look/validation/loss-image': 1 });
    whole.endEpoch({ 'look/validation/loss': 2, 'look/validation/loss-image': 0.1 });
    expect(whole.expertsOf('look', 'image')).toBe(2);
    expect(new AdaptiveState({ ...rules, allocation: null }).expertsOf('look', 'image')).toBeUndefined();
  });

  it('close at the bound, and go on from what was saved', () => {
    const capped = new AdaptiveState({ ...rules, experts: 1 });
    const values = {
      'look/validation/loss-image': 1,
      'push/validation/loss-image': 1,
      'push/validation/loss-force': 1,
    };
    for (let epoch = 0; epoch < 3; epoch += 1) capped.endEpoch(values);
    expect(capped.expertsOf('look', 'image')).toBe(1);
    expect(capped.isOpen).toBe(false);
    const resumed = new AdaptiveState({ ...rules, experts: 1 });
    resumed.restore(JSON.parse(JSON.stringify(capped.save())) as ReturnType<typeof capped.save>);
    expect(resumed.save()).toEqual(capped.save());
  });
});
