/** Plans of transfers between any two encoders: every parameter has one source that is there and fits. */
import {
  describeEncoder,
  mergedConfigOf,
  planTransfer,
  type EncoderConfig,
  type ExpertConfig,
} from '@polygate/encoder';
import { describeMergedEncoder, isMergedConfig, type MergedEncoderConfig } from '@polygate/encoder/merged';
import { sizeOf } from '@polygate/nn';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keys, tiny } from './tiny-models.ts';

const moe: fc.Arbitrary<ExpertConfig> = fc
  .record({
    condition: fc.constantFrom('attribute', 'modality', 'task', 'token', 'context', 'task-specific'),
    tasks: fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', '__proto__'), { minLength: 1 }),
    experts: fc.integer({ min: 2, max: 9 }),
    every: fc.integer({ min: 1, max: 3 }),
    attention: fc.boolean(),
    separateGates: fc.boolean(),
  })
  .map(({ experts, ...plainExperts }) =>
    plainExperts.condition === 'task-specific' ? plainExperts : { ...plainExperts, experts },
  );

const config: fc.Arbitrary<EncoderConfig> = fc
  .record({
    layers: fc.integer({ min: 1, max: 4 }),
    maxPositions: fc.integer({ min: 1, max: 9 }),
    maxFrames: fc.integer({ min: 1, max: 9 }),
    patch: fc.record({ size: fc.constantFrom(2, 4), channels: fc.constantFrom(1, 3) }),
    moe: fc.option(moe, { nil: undefined }),
  })
  .map(({ moe: experts, ...shape }) => ({ ...tiny, ...shape, ...(experts ? { moe: experts } : {}) }));

/** A trained start, or what an export of it for some segments gives. */
const start: fc.Arbitrary<EncoderConfig | MergedEncoderConfig> = fc
  .tuple(config, fc.boolean(), fc.subarray(Object.values(keys), { minLength: 1 }))
  .map(([encoder, merged, segments]) => {
    const condition = encoder.moe?.condition;
    if (!merged || condition === undefined || condition === 'token' || condition === 'context')
      return encoder;
    const [task = 'a'] = encoder.moe?.tasks ?? [];
    return mergedConfigOf(
      encoder,
      segments.map((segment) => ({ ...segment, task })),
    );
  });

const shapes = (encoder: EncoderConfig | MergedEncoderConfig): ReadonlyMap<string, readonly number[]> =>
  new Map(
    (isMergedConfig(encoder) ? describeMergedEncoder(encoder) : describeEncoder(encoder)).map((spec) => [
      spec.name,
      spec.shape,
    ]),
  );

describe('a transfer plan', () => {
  it('gives every parameter one source that fits, and tells of all the rest', () => {
    const property = fc.property(config, start, (model, from) => {
      const plan = planTransfer(model, from);
      const [to, sources] = [shapes(model), shapes(from)];
      expect(plan.entries.map(({ name }) => name)).toEqual([...to.keys()]);
      const used = new Set<string>();
      for (const { name, source, reason } of plan.entries) {
        const shape = to.get(name) ?? [];
        expect(reason === undefined, name).toBe(source.how === 'taken');
        if (source.how === 'taken' || source.how === 'copied') {
          expect(sources.get(source.from), `${name} from ${source.from}`).toEqual(shape);
          used.add(source.from);
        } else if (source.how === 'averaged') {
          for (const sourceName of source.from)
            expect(sources.get(sourceName), `${name} from ${sourceName}`).toEqual(shape);
          expect(new Set(source.from).size).toBe(source.from.length);
          source.from.forEach((sourceName) => used.add(sourceName));
        } else if (source.how === 'partly taken') {
          const available = sizeOf(sources.get(source.from) ?? []);
          for (const [row, origin] of source.rows) {
            expect((row + 1) * source.rowSize, name).toBeLessThanOrEqual(sizeOf(shape));
            expect((origin + 1) * source.rowSize, name).toBeLessThanOrEqual(available);
          }
          expect(new Set(source.rows.map(([row]) => row)).size).toBe(source.rows.length);
          used.add(source.from);
        } else if (source.how === 'fitted') {
          const experts = model.moe?.experts ?? 0;
          for (const row of source.rows) {
            expect(row.experts.length).toBeGreaterThan(0);
            expect(row.experts.length).toBeLessThan(experts);
            expect(Math.max(...row.experts)).toBeLessThan(experts);
          }
        }
      }
      for (const name of sources.keys()) {
        const isTold =
          used.has(name) || to.has(name) || plan.left.some((parameter) => parameter.name === name);
        expect(isTold, name).toBe(true);
      }
    });
    fc.assert(property, { numRuns: 80, seed: 1 });
  });

  const byTasks = { condition: 'task-specific' } as const;
  const byTokens = { condition: 'token', experts: 2, topK: 2 } as const;
  const groupsOf = (...groups: NonNullable<ExpertConfig['groups']>): EncoderConfig => ({
    ...tiny,
    moe: { tasks: ['a', 'b', 'c'], groups },
  });
  const groupings: readonly EncoderConfig[] = [
    groupsOf({ name: 'all', linears: ['*'], ...byTasks }),
    groupsOf(
      { name: 'one', linears: ['attention.*'], ...byTokens },
      { name: 'all', linears: ['ffn.*'], ...byTasks },
    ),
    groupsOf(
      { name: 'all', linears: ['attention.*'], ...byTasks },
      { name: 'one', linears: ['ffn.*'], condition: 'modality', experts: 5 },
    ),
    groupsOf(
      { name: 'one', linears: ['attention.*'], experts: 4 },
      { name: 'two', linears: ['ffn.*'], experts: 2 },
    ),
  ];
  const exports = groupings
    .filter(({ moe: experts }) => experts?.groups?.every(({ condition }) => condition !== 'token'))
    .map((encoder) =>
      mergedConfigOf(
        encoder,
        Object.values(keys).flatMap((key) => ['a', 'b'].map((task) => ({ ...key, task }))),
      ),
    );

  it('goes by the group that a linear of the start is in', () => {
    for (const model of groupings) {
      for (const from of [...groupings, ...exports]) {
        const sources = shapes(from);
        for (const { name, source } of planTransfer(model, from).entries) {
          const names = source.how === 'averaged' ? source.from : 'from' in source ? [source.from] : [];
          for (const sourceName of names as readonly string[])
            expect(sources.has(sourceName), `${name} from ${sourceName}`).toBe(true);
        }
      }
    }
    const [fixed, mixed] = groupings as readonly [EncoderConfig, EncoderConfig];
    const sourceOf = (name: string) =>
      planTransfer(fixed, mixed).entries.find((entry) => entry.name === name);
    const path = 'blocks.0.attention.qkv.experts';
    // Experts of tokens are not those of tasks, even where both have their number.
    expect(sourceOf(`${path}.1.weight`)).toEqual({
      name: `${path}.1.weight`,
      source: { how: 'averaged', from: [`${path}.0.weight`, `${path}.1.weight`] },
      reason:
        "an expert of a fixed row, where routers chose among those of the start: the mean of the start's 2 experts",
    });
    expect(sourceOf('blocks.0.ffn.fc1.experts.1.weight')?.source.how).toBe('taken');
  });

  it('takes all of an encoder that is the same', () => {
    fc.assert(
      fc.property(config, (encoder) => {
        const { entries, left, settings } = planTransfer(encoder, encoder);
        expect(entries.filter(({ source }) => source.how !== 'taken')).toEqual([]);
        expect([left, settings]).toEqual([[], []]);
      }),
      { numRuns: 40, seed: 2 },
    );
  });
});
