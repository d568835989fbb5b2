import { describe, expect, it } from 'vitest';
import {
  ConfigError,
  EngineError,
  FormatError,
  PolygateError,
  ShapeError,
  StateError,
  unknownName,
} from './errors.ts';

describe('errors', () => {
  it('carry a code, fields and the cause', () => {
    const cause = new RangeError('inner');
    const error = new FormatError('shard: expected 8 bytes, got 3; write it again', {
      code: 'shard-truncated',
      fields: { byte: 5 },
      cause,
    });
    expect(error).toBeInstanceOf(PolygateError);
    expect(error.name).toBe('FormatError');
    expect(error.code).toBe('shard-truncated');
    expect(error.fields).toEqual({ byte: 5 });
    expect(error.cause).toBe(cause);
    expect(Object.isFrozen(error.fields)).toBe(true);
  });

  it('have a default code per class', () => {
    const codes = [ShapeError, ConfigError, FormatError, StateError, EngineError].map(
      (Type) => new Type('x').code,
    );
    expect(codes).toEqual(['shape', 'config', 'format', 'state', 'engine']);
  });

  it('name the known names and the nearest one', () => {
    expect(unknownName('engine', 'wsam', ['torch', 'wasm', 'cpu']).message).toBe(
      'unknown engine "wsam": did you mean "wasm"? known: cpu, torch, wasm',
    );
    expect(unknownName('engine', 'gpu-cluster', ['torch', 'wasm']).message).toBe(
      'unknown engine "gpu-cluster": known: torch, wasm',
    );
    expect(unknownName('stage', 'x', []).message).toBe('unknown stage "x": known: (none)');
  });

  it('show the beginning of long names and the nearest of many', () => {
    const { message, fields } = unknownName('key', 'y'.repeat(5000), ['one', 'x'.repeat(5000)]);
    expect(message).toBe(`unknown key "${'y'.repeat(120)}…": known: one, ${'x'.repeat(120)}…`);
    expect(fields['got']).toHaveLength(5000);
    const many = Array.from({ length: 1000 }, (_, i) => `class-${i}`);
    expect(unknownName('class', 'class-77x', many).message).toMatch(
      /^unknown class "class-77x": did you mean "class-77"\? known: (?:class-\d+, ){64}and 936 more$/u,
    );
  });

  it('keep beginning and remedy of a text that is far too long', () => {
    const { message } = new FormatError(`expected a row, got ${'x'.repeat(1e6)}; write it again`);
    expect(message).toHaveLength(2003);
    expect(message).toMatch(/^expected a row, got x{1580} … x{384}; write it again$/u);
    expect(new FormatError('x'.repeat(2000)).message).toHaveLength(2000);
  });
});
