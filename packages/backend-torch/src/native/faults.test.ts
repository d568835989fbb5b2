/** Operators that are wrong on purpose: spoiled only in the way that is named, and only as long as they are asked for. */
import { afterAll, describe, expect, it } from 'vitest';
import { loadBinding } from './binding.ts';
import { readBuildStatus } from './build-status.ts';
import { FaultyDispatcher, hasFaults } from './faults.ts';
import { ScalarType } from './scalar-types.ts';

const fault = (text: string): void => {
  process.env['POLYGATE_TEST_FAULTS'] = text;
};
afterAll(() => {
  delete process.env['POLYGATE_TEST_FAULTS'];
});

describe.runIf(readBuildStatus().state === 'built')('faults of operators', () => {
  it('spoil what they name and nothing else', () => {
    fault('torch/neg@onednn,torch/abs:bf16');
    expect(hasFaults()).toBe(true);
    const torch = new FaultyDispatcher(loadBinding());
    const result = (operator: string, type: ScalarType = ScalarType.float32): number =>
      torch.scope(() => {
        const x = torch.create(Float32Array.of(4), { dtype: type, shape: [1], device: 'cpu' });
        return torch.read(torch.one(operator, x), new Float32Array(1))[0] ?? Number.NaN;
      });
    const has = torch.native.oneDnn(true);
    expect(result('neg')).toBe(has ? -5 : -4);
    expect(result('relu')).toBe(4);
    expect(result('abs')).toBe(4);
    expect(result('abs', ScalarType.bfloat16)).toBe(5);
    expect(torch.native.oneDnn(false)).toBe(false);
    expect(result('neg')).toBe(-4);
    torch.native.oneDnn(true);
    fault('');
    expect(result('neg')).toBe(-4);
    fault('torch/neg@sometimes');
    expect(() => result('neg')).toThrow(
      'POLYGATE_TEST_FAULTS: expected torch/operator, @always or @onednn or @blocks or @unit and :f32 or :bf16, got "torch/neg@sometimes"; unset it outside tests',
    );
  });
});
