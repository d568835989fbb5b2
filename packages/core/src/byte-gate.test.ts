import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultBudgets, overBudget, resolveBudgets } from './budgets.ts';
import { ByteGate } from './byte-gate.ts';
import { ConfigError } from './errors.ts';

describe('ByteGate', () => {
  it('never holds more than the limit, but for one action alone, and runs all in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 30 })), async (sizes) => {
        const gate = new ByteGate(20);
        const started: number[] = [];
        let held = 0;
        let running = 0;
        await Promise.all(
          sizes.map((bytes, index) =>
            gate.run(bytes, async () => {
              started.push(index);
              held += bytes;
              running += 1;
              if (held > 20 && running > 1) expect(held - bytes).toBe(0);
              await Promise.resolve();
              held -= bytes;
              running -= 1;
            }),
          ),
        );
        expect(started).toEqual(sizes.map((_, index) => index));
      }),
    );
  });

  it('gives the bytes back when an action fails', async () => {
    const gate = new ByteGate(1);
    await expect(gate.run(1, () => Promise.reject(new Error('x')))).rejects.toThrow('x');
    await expect(gate.run(1, () => Promise.resolve(2))).resolves.toBe(2);
  });
});

describe('budgets', () => {
  it('keep defaults, refuse what is no size, and are named', () => {
    expect(resolveBudgets({ textBytes: 5 })).toEqual({ ...defaultBudgets, textBytes: 5 });
    expect(() => resolveBudgets({ textBytes: 0 })).toThrow(ConfigError);
    expect(() => resolveBudgets({ textBytes: NaN })).toThrow(
      'budget textBytes: expected a positive whole number of bytes, got NaN',
    );
    expect(overBudget('imageBytes', 5, 6)).toBe(
      'expected at most 5 bytes (budget imageBytes), got 6; raise the budget if that is meant',
    );
  });
});
