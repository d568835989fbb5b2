import { ConfigError, createRandom, StateError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ParameterRole } from './parameter-spec.ts';
import { allocateParameters, ParameterSet } from './parameters.ts';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const spec = (name: string, role: ParameterRole = 'weight') => ({
  name,
  shape: [2],
  initializer: { kind: 'ones' } as const,
  role,
});

const allocate = (): ParameterSet =>
  allocateParameters(
    [
      spec('embedding.table', 'embedding'),
      spec('blocks.0.ffn.weight'),
      spec('blocks.0.ffn.bias', 'bias'),
      spec('blocks.1.ffn.weight'),
      spec('blocks.1.norm.gamma', 'norm'),
    ],
    createRandom(1),
  );

const names = (set: ParameterSet): readonly string[] => set.specs.map(({ name }) => name);

describe('ParameterSet.select', () => {
  it('selects by names, patterns, roles and predicates, in the order of the set', () => {
    using set = allocate();
    expect(names(set.select(['blocks.1.norm.gamma', 'embedding.table']))).toEqual([
      'embedding.table',
      'blocks.1.norm.gamma',
    ]);
    expect(names(set.select(['blocks.*.weight']))).toEqual(['blocks.0.ffn.weight', 'blocks.1.ffn.weight']);
    expect(names(set.select(['*0*']))).toEqual(['blocks.0.ffn.weight', 'blocks.0.ffn.bias']);
    expect(names(set.select({ roles: ['bias', 'norm'] }))).toEqual([
      'blocks.0.ffn.bias',
      'blocks.1.norm.gamma',
    ]);
    expect(names(set.select({ names: ['blocks.*'], roles: ['weight'], except: ['blocks.0.*'] }))).toEqual([
      'blocks.1.ffn.weight',
    ]);
    expect(names(set.select(({ shape, role }) => shape[0] === 2 && role === 'embedding'))).toEqual([
      'embedding.table',
    ]);
  });

  it('takes a star for any characters, none too, and nothing twice', () => {
    using set = allocateParameters([spec('aba'), spec('ab'), spec('b')], createRandom(1));
    expect(names(set.select(['a*b']))).toEqual(['ab']);
    expect(names(set.select(['ab*']))).toEqual(['aba', 'ab']);
    expect(names(set.select(['*b']))).toEqual(['ab', 'b']);
    // The a of "ab" is not both the first and the last.
    expect(names(set.select(['a*a']))).toEqual(['aba']);
  });

  it('shares the variables and owns none', () => {
    const set = allocate();
    const tensors = tf.memory().numTensors;
    const view = set.select(['blocks.*']);
    expect(tf.memory().numTensors).toBe(tensors);
    view.write('blocks.0.ffn.bias', Float32Array.of(3, 4));
    expect(view.get('blocks.0.ffn.bias')).toBe(set.get('blocks.0.ffn.bias'));
    expect(view.size).toBe(8);
    view.dispose();
    expect([...set.get('blocks.0.ffn.bias').dataSync()]).toEqual([3, 4]);
    expect(() => view.entries()).toThrow(StateError);
    const other = set.select(['blocks.*']).select({ roles: ['bias'] });
    set.dispose();
    expect(() => other.get('blocks.0.ffn.bias')).toThrow('expected a live set, got one that was disposed');
  });

  it('refuses a selection of nothing', () => {
    using set = allocate();
    expect(() => set.select(['blocks.7.*'])).toThrow(ConfigError);
    expect(() => set.select(['blocks.7.*'])).toThrow('unknown parameter "blocks.7.*"');
    expect(() => set.select({ names: ['embedding.*'], roles: ['gate'] })).toThrow(
      'parameters.select: expected a selection of at least one of 5 parameters, got none; widen its names or roles',
    );
  });
});

describe('ParameterSet.join', () => {
  it('is one view of several sets', () => {
    using base = allocate();
    using adapters = allocateParameters([spec('adapter.down'), spec('adapter.up')], createRandom(2));
    const both = ParameterSet.join([base.select({ roles: ['norm'] }), adapters]);
    expect(names(both)).toEqual(['blocks.1.norm.gamma', 'adapter.down', 'adapter.up']);
    expect(both.get('adapter.up')).toBe(adapters.get('adapter.up'));
    both.dispose();
    expect(adapters.get('adapter.up').isDisposed).toBe(false);
  });

  it('refuses no sets and names that two have', () => {
    using base = allocate();
    expect(() => ParameterSet.join([])).toThrow('expected at least one set, got none');
    expect(() => ParameterSet.join([base, base.select(['blocks.*'])])).toThrow(
      'parameters: expected unique names, got "blocks.0.ffn.weight" twice',
    );
  });
});
