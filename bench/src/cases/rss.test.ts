import { StateError } from '@polygate/core';
import { describe, expect, it } from 'vitest';
import { residentLine } from './rss.ts';

const given = {
  name: 'rss-made-up',
  validated: 'nothing',
  settledMegabytes: 200,
  laterMegabytes: { one: 200, two: 210, three: 230 },
  allowedMegabytes: 30,
};

describe('residentLine', () => {
  it('gives each later memory as a multiple of the settled one', () => {
    // 200, 210 and 230 of 200
    expect(residentLine(given)).toMatchObject({
      case: 'rss-made-up',
      ratioMedian: 1.05,
      ratioMin: 1,
      ratioMax: 1.15,
      detail: { growthMegabytes: 30, allowedMegabytes: 30 },
    });
  });

  it('refuses growth beyond what is allowed, and numbers that are none', () => {
    expect(() => residentLine({ ...given, allowedMegabytes: 29 })).toThrow(
      new StateError(
        'rss-made-up: expected at most 29 MB above 200 MB, got 30 MB more (three); something is kept that should be freed',
      ),
    );
    expect(() => residentLine({ ...given, settledMegabytes: Number.NaN })).toThrow(StateError);
  });
});
