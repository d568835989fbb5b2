import { ConfigError } from '@polygate/core';
import { describe, expect, it } from 'vitest';
import { resolveEncoderConfig, type EncoderConfig } from './config.ts';
import { describeMergedEncoder, type MergedEncoderConfig } from '../merged/merged-config.ts';

const shape = {
  layers: 1,
  width: 8,
  heads: 2,
  hidden: 8,
  vocabularySize: 20,
  patch: { size: 4, channels: 3 },
};
const merged = {
  condition: 'modality',
  by: ['modality'],
  every: 1,
  attention: true,
  ffn: true,
  rows: [{ modality: 'text', set: 0 }],
};

const encoderError = (config: unknown) => {
  let thrown: unknown;
  try {
    resolveEncoderConfig(config as EncoderConfig);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(ConfigError);
  return (thrown as ConfigError).message;
};

const mergedError = (change: object) => {
  let thrown: unknown;
  try {
    describeMergedEncoder({ ...shape, merged: { ...merged, ...change } } as unknown as MergedEncoderConfig);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(ConfigError);
  return (thrown as ConfigError).message;
};

describe('a configuration of wrong types, as files may hold it', () => {
  it('is refused by the name of the field', () => {
    expect(encoderError({ ...shape, patch: undefined })).toBe(
      'encoder: expected modalities.visual.patch to be an object, got nothing; write the configuration anew',
    );
    expect(encoderError({ ...shape, width: '8' })).toContain('expected width to be a number, got "8";');
    expect(encoderError({ ...shape, patch: { size: null } })).toContain(
      'expected modalities.visual.patch.size to be a number',
    );
    expect(encoderError({ ...shape, temperatures: 'all' })).toContain(
      'expected temperatures to be a list of texts, got "all";',
    );
    expect(encoderError({ ...shape, moe: 3 })).toContain('expected moe to be an object, got 3;');
    expect(encoderError({ ...shape, moe: { tasks: [1] } })).toContain(
      'expected moe.tasks to be a list of texts',
    );
    expect(encoderError({ ...shape, moe: { capacityFactor: { train: '1' } } })).toContain(
      'expected moe.capacityFactor.train to be a number, got "1";',
    );
  });

  it('is refused for merged sets, too', () => {
    expect(mergedError({ rows: null })).toContain('expected merged.rows to be a list, got null;');
    expect(mergedError({ rows: [null] })).toContain('expected merged.rows.0 to be an object, got null;');
    expect(mergedError({ rows: [{ set: 0 }] })).toBe(
      'encoder: expected merged.rows.0 to have "modality", got {"set":0}',
    );
    expect(mergedError({ by: ['constructor'] })).toBe(
      'encoder: expected merged.by to name some of attributes, modality, task, got ["constructor"]',
    );
    expect(mergedError({ rows: [{ modality: 'text', set: 1e9 }] })).toContain(
      'expected merged.rows to use the sets',
    );
    expect(mergedError({ every: 0 })).toContain('expected merged.every to be a whole number of 1 to 2048');
  });

  it('is refused for merged groups that lack a field, and for what is no object', () => {
    const group = {
      name: 'experts',
      condition: 'modality',
      blocks: [0],
      linears: ['attention.query'],
      by: ['modality'],
      rows: [{ modality: 'text', set: 0 }],
    };
    const error = (value: unknown): string => {
      try {
        describeMergedEncoder({ ...shape, merged: value } as unknown as MergedEncoderConfig);
      } catch (caught) {
        expect(caught).toBeInstanceOf(ConfigError);
        return (caught as ConfigError).message;
      }
      throw new Error('expected an error');
    };
    expect(error(0)).toContain('expected merged to be an object, got 0;');
    expect(error('groups')).toContain('expected merged to be an object, got "groups";');
    expect(error({})).toContain('expected merged.condition to be a text, got nothing;');
    expect(error({ ...merged, rows: undefined })).toContain(
      'expected merged.rows to be a list, got nothing;',
    );
    for (const field of Object.keys(group)) {
      expect(error({ groups: [{ ...group, [field]: undefined }] })).toContain(
        `expected merged.groups.0.${field} to be a`,
      );
    }
  });
});
