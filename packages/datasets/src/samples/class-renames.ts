/** Words for the labels of a source: its classes under other names, two labels of one name as one class. */
import { excerpt } from '@polygate/core';
import type { Reader } from './sample.ts';

/** What a recipe says of the classes of a source. */
export interface ClassSettings {
  /** Class names in label order. */
  readonly classes?: readonly string[] | undefined;
  /** Words for labels; labels of one word are one class. */
  readonly classNames?: Readonly<Record<string, string>> | undefined;
}

/** A reader of labels as its source opens it: under the names that the recipe gives, and whether it lists the classes. */
export const withClasses = (
  reader: Reader,
  { classes, classNames }: ClassSettings,
): { readonly reader: Reader; readonly classesGiven: boolean } => ({
  reader: renameClasses(reader, classNames),
  classesGiven: classes !== undefined,
});

/** A reader whose classes have the names that the recipe gives them, if any; the order stays that of the labels. */
export const renameClasses = (
  reader: Reader,
  names: Readonly<Record<string, string>> | undefined,
): Reader => {
  if (!names) return reader;
  const labels = reader.classes ?? [];
  const given = new Map(Object.entries(names).map(([label, name]) => [label.normalize('NFC'), name]));
  const renamed = labels.map((label) => given.get(label.normalize('NFC')) ?? label);
  // Only names that were given join labels: others that read the same are a mistake.
  const indices: number[] = [];
  const classes: string[] = [];
  const joined = new Map<string, number>();
  for (const [label, name] of renamed.entries()) {
    const isGiven = given.has(labels[label]?.normalize('NFC') ?? '');
    const joinedIndex = isGiven ? joined.get(name) : undefined;
    if (joinedIndex === undefined) classes.push(name);
    const index = joinedIndex ?? classes.length - 1;
    if (isGiven) joined.set(name, index);
    indices.push(index);
  }
  const unused = [...given.keys()].filter((label) => !labels.some((each) => each.normalize('NFC') === label));
  const notes = [
    ...(reader.notes ?? []),
    ...(unused.length > 0 ? [`classNames names labels that are not there: ${excerpt(unused)}`] : []),
  ];
  return {
    ...reader,
    classes,
    ...(notes.length > 0 ? { notes } : {}),
    async *read() {
      for await (const item of reader.read()) {
        if (item.kind === 'fault' || item.label === undefined) yield item;
        else yield { ...item, label: indices[item.label] ?? item.label };
      }
    },
  };
};
