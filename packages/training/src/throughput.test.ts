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

describe('createThroughput', () => {
  it('measures rates over its window, smooths losses by task, and leaves pauses out', () => {
    let now = 0;
    const throughput = createThroughput(10, () => now);
    const add = (step: number, task: string, loss: number) =>
      throughput.add({ step, task, loss, samples: 8, tokens: 80 });
    expect(throughput.start(0)).toMatchObject({ step: 0, steps: 10, secondsLeft: NaN, losses: {} });
    now = 500;
    expect(add(1, 'a', 2)).toMatchObject({
      samplesPerSecond: 16,
      tokensPerSecond: 160,
      secondsLeft: 4.5,
      losses: { a: 2 },
    });
    now = 9000;
    throughput.pause();
    now = 9500;
    // two updates of 0.5 s; 0.9 2 + 0.1 1 = 1.9
    const second = add(2, 'a', 1);
    expect(second).toMatchObject({ samplesPerSecond: 16, secondsLeft: 4 });
    expect(second.losses['a']).toBeCloseTo(1.9, 12);
    now = 10_000;
    expect(add(3, 'b', 7).losses).toMatchObject({ b: 7 });
  });
});
