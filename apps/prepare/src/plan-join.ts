/** Several sources that make one dataset, such as a training and a validation folder. */
import { ConfigError } from '@polygate/core';
import type { Reader, Sample } from '@polygate/datasets';
import type { DatasetPlan, PlanPart } from './plan.ts';

/** A reader whose ids carry a prefix, so that two files may have rows of the same number, and whose labels count in `classes`. */
const relabelled = (part: PlanPart, prefix: string, classes: readonly string[] | undefined): PlanPart => {
  const own = part.reader.classes;
  const toJoint = own?.map((name) => classes?.indexOf(name) ?? -1);
  const originals = new WeakMap<Sample, Sample>();
  const reader: Reader = {
    name: part.reader.name,
    ...(classes ? { classes } : {}),
    async *read() {
      for await (const item of part.reader.read()) {
        const id = prefix === '' ? item.id : `${prefix}/${item.id}`;
        if (item.kind === 'fault') {
          yield { ...item, id };
          continue;
        }
        const label = item.label === undefined ? undefined : (toJoint?.[item.label] ?? item.label);
        const sample = { ...item, id, ...(label === undefined ? {} : { label }) };
        originals.set(sample, item);
        yield sample;
      }
    },
  };
  // The split is still decided by the sample as its own reader gave it.
  return { reader, splitOf: (sample) => part.splitOf(originals.get(sample) ?? sample) };
};

/**
 * Joins a further source to a dataset. Classes become the union in code-unit order.
 * @throws ConfigError where the two hold different kinds of rows
 */
export const joinPlans = (known: DatasetPlan, next: DatasetPlan, key: string): DatasetPlan => {
  if (known.kind !== next.kind || known.pairs !== next.pairs) {
    throw new ConfigError(
      `prepare recipe: sources.${key}: expected rows of kind ${known.kind} as in the rest of dataset "${known.name}", got ${next.kind}; give it a dataset name of its own`,
    );
  }
  const same = JSON.stringify(known.classes) === JSON.stringify(next.classes);
  const union = same
    ? known.classes
    : [...new Set([...(known.classes ?? []), ...(next.classes ?? [])])].sort();
  return {
    ...known,
    ...(union ? { classes: union } : {}),
    splits: [...new Set([...known.splits, ...next.splits])],
    extra: [...new Set([...known.extra, ...next.extra])],
    parts: [
      ...known.parts.map((part) => (same ? part : relabelled(part, '', union))),
      ...next.parts.map((part) => relabelled(part, key, union)),
    ],
    packages: [...known.packages, ...next.packages],
  };
};
