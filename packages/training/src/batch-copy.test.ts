import { describe, expect, it } from 'vitest';
import { copyBatch, layoutOf, refillBatch } from './batch-copy.ts';

const helper = (): number => 1;

const batchOf = (offset: number) => {
  const ids = Int32Array.of(offset, offset + 1);
  return {
    task: 'naming',
    labels: ids,
    inputs: {
      size: 2,
      segments: [{ ids, patches: Float32Array.of(offset, 0.5) }],
      flags: Uint8Array.of(offset),
    },
    helper,
    missing: undefined,
  };
};

describe('copies of batches', () => {
  it('take the values of another batch in place', () => {
    const first = batchOf(1);
    const copy = copyBatch(first);
    const { labels } = copy;
    const [segment] = copy.inputs.segments;
    expect(copy).toEqual(first);
    expect(labels).not.toBe(first.labels);
    // An array in two places is one array of the copy, too.
    expect(segment?.ids).toBe(labels);
    refillBatch(copy, batchOf(5));
    expect(copy).toEqual(batchOf(5));
    expect(copy.labels).toBe(labels);
    expect([...labels]).toEqual([5, 6]);
    expect(first).toEqual(batchOf(1));
  });

  it('have layouts that differ in all but the values of arrays', () => {
    const layout = layoutOf(batchOf(1));
    expect(layoutOf(batchOf(7))).toBe(layout);
    const others = [
      { ...batchOf(1), task: 'telling' },
      { ...batchOf(1), labels: Int32Array.of(1) },
      { ...batchOf(1), labels: Float32Array.of(1, 2) },
      { ...batchOf(1), missing: Uint8Array.of(1) },
      { ...batchOf(1), helper: (): number => 1 },
      { ...batchOf(1), inputs: { ...batchOf(1).inputs, size: 3 } },
      { ...batchOf(1), inputs: { ...batchOf(1).inputs, segments: [] } },
      { ...batchOf(1), task: null },
    ];
    const layouts = others.map(layoutOf);
    expect(new Set([layout, ...layouts]).size).toBe(others.length + 1);
  });
});
