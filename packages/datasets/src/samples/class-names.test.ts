import { ConfigError } from '@polygate/core';
import { describe, expect, it } from 'vitest';
import {
  checkClassNames,
  ClassFinder,
  createLabelIndex,
  labelName,
  MAX_FOUND_CLASSES,
  sortClasses,
} from './class-names.ts';

describe('class names', () => {
  it('puts numbers in order of value and names in order of code units', () => {
    expect(sortClasses(['10', '9', '0', '9'])).toEqual(['0', '9', '10']);
    // One name among numbers, or a leading zero, makes names of all.
    expect(sortClasses(['10', '9', 'x'])).toEqual(['10', '9', 'x']);
    expect(sortClasses(['10', '9', '007'])).toEqual(['007', '10', '9']);
  });

  it('looks up names first, then indices where the list was given', () => {
    const given = createLabelIndex(['positive', 'negative'], { given: true });
    expect([
      given('negative'),
      given(0),
      given('1'),
      given(2),
      given('other'),
      given(null),
      given(0.5),
    ]).toEqual([1, 0, 1, undefined, undefined, undefined, undefined]);
    // A given list of digits that are no indices: numbers count as indices, texts as names.
    const digits = createLabelIndex(['1', '0'], { given: true });
    expect([digits('1'), digits(1)]).toEqual([0, 1]);
    const indexOf = createLabelIndex(['2', '10', 'true'], { given: false });
    expect([indexOf(10), indexOf('2'), indexOf(0), indexOf(true), indexOf('constructor')]).toEqual([
      1,
      0,
      undefined,
      2,
      undefined,
    ]);
  });

  it('takes texts, whole numbers and truth values for labels', () => {
    expect([' a ', 3, false].map(labelName)).toEqual(['a', '3', 'false']);
    expect(['', ' ', 1.5, NaN, 2 ** 53, null, {}, ['a']].map(labelName)).toEqual(Array(8).fill(undefined));
  });

  it('stops at labels that are no classes', () => {
    const finder = new ClassFinder('table t.csv');
    for (let i = 0; i < MAX_FOUND_CLASSES; i += 1) finder.add(`n${i}`);
    finder.add('n0');
    expect(() => finder.add('one more')).toThrow(
      'table t.csv: expected at most 10000 different labels, got more, "one more" among them; is this the label? Else give classes',
    );
  });

  it.each([
    [['cat', 'cat!']],
    [['ice cream', 'ice-cream']],
    [['Cat', 'cat']],
    [['cafe\u0301', 'caf\u00e9']],
    [['a b', 'a  b']],
  ])('refuses %j, which read the same', (names) => {
    expect(() => checkClassNames(names, 'prepare p')).toThrow(ConfigError);
  });

  it.each([
    [['C', 'C++']],
    [['-1', '1', '0']],
    [[':)', ':(']],
    [['v1.1', 'v11']],
    [['caf\u00e9', 'cafe']],
    [['1', '01']],
  ])('keeps %j apart', (names) => {
    expect(() => checkClassNames(names, 'prepare p')).not.toThrow();
  });
});
