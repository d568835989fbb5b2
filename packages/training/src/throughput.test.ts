import { describe, expect, it } from 'vitest';
import { createThroughput } from './throughput.ts';

describe('smoothed losses', () => {
  it('are those of the tasks alone, whatever they are called', () => {
    const throughput = createThroughput(10, () => 0);
    for (const task of ['constructor', 'toString', '__proto__']) {
      for (const loss of [2, 1]) throughput.add({ step: 1, task, loss, samples: 1, tokens: 1 });
    }
    // 0.9 of the first and 0.1 of the second.
    expect(Object.entries(throughput.losses)).toEqual([
      ['constructor', 0.9 * 2 + (1 - 0.9) * 1],
      ['toString', 0.9 * 2 + (1 - 0.9) * 1],
      ['__proto__', 0.9 * 2 + (1 - 0.9) * 1],
    ]);
  });
});
