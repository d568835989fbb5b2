import { silentLogger, type Logger } from '@polygate/core';
import { describe, expect, it } from 'vitest';
import { watchDroppedChoices } from './dropped-choices.ts';

const record = (...sites: readonly (readonly [tokens: number, dropped: number])[]) => ({
  kind: 'routing',
  values: { sites: sites.map(([tokens, droppedFraction]) => ({ tokens, droppedFraction })) },
});

const watch = () => {
  const said: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (text: string) => void said.push(text) };
  return { said, see: watchDroppedChoices(logger) };
};

describe('watchDroppedChoices', () => {
  it('tells once, after eight records, weighing sites by their tokens', () => {
    const { said, see } = watch();
    // (300 * 0.2 + 100 * 0) / 400 = 15 %
    for (let k = 0; k < 7; k += 1) see([record([300, 0.2], [100, 0])]);
    expect(said).toEqual([]);
    see([record([300, 0.2], [100, 0])]);
    see([record([300, 1])]);
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('routing: 15 % of the choices of experts found no slot');
    expect(said[0]).toContain('model.moe.capacityFactor=dropless');
  });

  it('is silent about a few, and about records of another kind', () => {
    const { said, see } = watch();
    for (let k = 0; k < 20; k += 1) see([record([100, 0.05]), { kind: 'train', values: {} }]);
    expect(said).toEqual([]);
  });
});
