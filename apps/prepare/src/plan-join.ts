/** Several sources that make one dataset, such as a training and a validation folder. */
import { ConfigError, excerpt } from '@polygate/core';
import { areIndices, orderSplits, sortClasses, type Reader, type Sample } from '@polygate/datasets';
import type { DatasetPlan, PlanPart } from '@polygate/datasets';

/** A reader whose ids carry a prefix, so that two files may have rows of the same number, and whose labels count in `classes`. */
const relabelled = (part: PlanPart, prefix: string, classes: readonly string[] | undefined): PlanPart => {
  const classesOfPart = part.reader.classes;
  const toJoint = classesOfPart?.map((name) => classes?.indexOf(name) ?? -1);
  const originals = new WeakMap<Sample, Sample>();
  const reader: Reader = {
    ...part.reader,
    ...(classes ? { classes } : {}),
    async *read() {
      for await (const item of part.reader.read()) {
        const id = prefix === '' ? item.id : `${prefix}/${item.id}`;
        if (item.kind === 'fault') {
          yield { ...item, id };
          continue;
        }
        const label = item.label === undefined || !toJoint ? item.label : toJoint[item.label];
        const sample = { ...item, id, ...(label === undefined ? {} : { label }) };
        originals.set(sample, item);
        yield sample;
      }
    },
  };
  // The split is still decided by the sample as its own reader gave it.
  return { ...part, reader, splitOf: (sample) => part.splitOf(originals.get(sample) ?? sample) };
};

type Named = Pick<DatasetPlan, 'name' | 'classes' | 'classesGiven'>;

const disagree = (key: string, name: string, expected: string, got: string, remedy: string): never => {
  throw new ConfigError(
    `prepare recipe: sources.${key}: expected ${expected} as in the rest of dataset "${name}", got ${got}; ${remedy}`,
    { code: 'classes-disagree', fields: { dataset: name, source: key } },
  );
};

/**
 * The classes of two sources of one dataset. Given lists must be the same; found names must be among given ones; names
 * that were found on both sides are united. A number means what the list of its source says, and nothing without one.
 */
const joinClasses = (joined: Named, next: Named, key: string): readonly string[] | undefined => {
  const [a, b] = [joined.classes ?? [], next.classes ?? []];
  if (a.length === b.length && a.every((name, index) => name === b[index]))
    return joined.classes ?? next.classes;
  const [shownA, shownB] = [a, b].map((classes) => excerpt(classes, 160));
  if (joined.classesGiven && next.classesGiven) {
    disagree(
      key,
      joined.name,
      `the classes ${shownA}`,
      `${shownB}`,
      'give both sources one list in one order',
    );
  }
  if (joined.classesGiven || next.classesGiven) {
    const given = joined.classesGiven ? a : b;
    const occurring = joined.classesGiven ? b : a;
    const other = occurring.find((name) => !given.includes(name));
    if (other !== undefined) {
      disagree(
        key,
        joined.name,
        joined.classesGiven ? `labels among the classes ${shownA}` : `the labels ${shownA}`,
        joined.classesGiven ? `the labels ${shownB}` : `the classes ${shownB}`,
        areIndices(occurring)
          ? 'numbers mean nothing without a list: give both sources the same classes'
          : 'give both sources the same classes, with all names',
      );
    }
    return given;
  }
  if (a.length > 0 && b.length > 0 && areIndices(a) !== areIndices(b)) {
    disagree(
      key,
      joined.name,
      `the labels ${shownA}`,
      `the labels ${shownB}`,
      'numbers mean nothing beside names: give the source of numbers its classes',
    );
  }
  return sortClasses([...a, ...b]);
};

/**
 * Joins a further source to a dataset, in one order of classes.
 * @throws ConfigError where the two hold different kinds of rows, or disagree about the classes
 */
export const joinPlans = (joined: DatasetPlan, next: DatasetPlan, key: string): DatasetPlan => {
  if (
    joined.kind !== next.kind ||
    JSON.stringify(joined.settings ?? {}) !== JSON.stringify(next.settings ?? {})
  ) {
    throw new ConfigError(
      `prepare recipe: sources.${key}: expected rows of kind ${joined.kind} as in the rest of dataset "${joined.name}", got ${next.kind}; give it a dataset name of its own`,
    );
  }
  const joint = joinClasses(joined, next, key);
  const isJoint = (classes: readonly string[] | undefined): boolean =>
    JSON.stringify(classes) === JSON.stringify(joint);
  return {
    ...joined,
    ...(joint ? { classes: joint } : {}),
    ...(joined.classesGiven || next.classesGiven ? { classesGiven: true } : {}),
    splits: orderSplits([...joined.splits, ...next.splits]),
    extra: [...new Set([...(joined.extra ?? []), ...(next.extra ?? [])])],
    parts: [
      ...joined.parts.map((part) => (isJoint(part.reader.classes) ? part : relabelled(part, '', joint))),
      ...next.parts.map((part) => relabelled(part, key, joint)),
    ],
    packages: [...(joined.packages ?? []), ...(next.packages ?? [])],
  };
};
