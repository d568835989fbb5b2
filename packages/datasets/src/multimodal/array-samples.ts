/** Samples of arrays side by side: number `i` of each input, with what is asked of it. */
import { ConfigError, excerpt, FormatError } from '@polygate/core';
import type { StoredInput } from '@polygate/stream';
import { numbersOf, type ArrayPass, type ArraySource } from '../arrays/array-data.ts';
import type { KindSettings } from '../kinds/dataset-kind.ts';
import { ClassFinder, createLabelIndex } from '../samples/class-names.ts';
import {
  fault,
  type Fault,
  type Reader,
  type ReaderItem,
  type Sample,
  type SampleContent,
} from '../samples/sample.ts';
import { orderSplits } from '../splits/split-names.ts';

/** What is asked of samples: one class, several labels, or numbers. */
export type AskedForm = 'class' | 'labels' | 'numbers';

/** Arrays that belong together, of one split. */
export interface ArrayPart {
  readonly split?: string;
  readonly labels: ArraySource;
  /** By name of the input. */
  readonly inputs: readonly (readonly [name: string, source: ArraySource])[];
}

/** What is asked, and how numbers of the labels' array answer it. */
export interface AskedTargets {
  readonly kind: string;
  readonly classes?: readonly string[];
  readonly settings: KindSettings;
  /** Fields of a sample, or why there are none. */
  answer(id: string, numbers: Float64Array): Pick<Sample, 'label' | 'targets'> | Fault;
}

/** An opened source of multimodal samples. */
export interface MultimodalSource {
  readonly reader: Reader;
  readonly kind: string;
  readonly settings: KindSettings;
}

/** Most labels that are looked at to tell what they are. */
const isWhole = (value: number): boolean => Number.isSafeInteger(value);

/** All rows of the labels of parts. */
const labelRows = async (parts: readonly ArrayPart[]): Promise<readonly Float64Array[]> => {
  const rows: Float64Array[] = [];
  for (const { labels } of parts) {
    await using pass = await labels.open();
    for await (const bytes of pass.items()) rows.push(numbersOf(bytes, pass));
  }
  return rows;
};

/** A class by its number, or by the one 1 among zeros. */
const classOf = (numbers: Float64Array): number | undefined => {
  if (numbers.length === 1) return isWhole(numbers[0] ?? Number.NaN) ? numbers[0] : undefined;
  const ones = numbers.filter((value) => value === 1).length;
  const zeros = numbers.filter((value) => value === 0).length;
  return ones === 1 && zeros === numbers.length - 1 ? numbers.indexOf(1) : undefined;
};

const formOf = (rows: readonly Float64Array[]): AskedForm => {
  if (rows.every((row) => classOf(row) !== undefined)) return 'class';
  return rows.every((row) => row.length > 1 && row.every((value) => value === 0 || value === 1))
    ? 'labels'
    : 'numbers';
};

/** What a name of a class or a number is given by. */
interface GivenNames {
  readonly classes: readonly string[] | undefined;
  readonly outputs: readonly string[] | undefined;
}

const classTargets = (rows: readonly Float64Array[], given: readonly string[] | undefined): AskedTargets => {
  const finder = new ClassFinder('multimodal arrays');
  for (const row of rows) {
    const label = classOf(row);
    if (label !== undefined && !given) finder.add(String(label));
  }
  const classes = given ?? finder.classes();
  if (classes.length === 0) {
    throw new ConfigError(
      'multimodal arrays: expected whole numbers as labels, or one 1 among zeros, got none; name another array by label, or say what is asked by asked',
      { code: 'no-labels' },
    );
  }
  const indexOf = createLabelIndex(classes, { given: given !== undefined });
  return {
    kind: 'multimodal-classes',
    classes,
    settings: {},
    answer(id, numbers) {
      const label = classOf(numbers);
      if (label === undefined)
        return fault(
          id,
          'no-label',
          `expected a whole number or one 1 among zeros, got ${excerpt([...numbers])}`,
        );
      const index = indexOf(label);
      return index === undefined
        ? fault(id, 'unknown-label', `expected one of ${excerpt(classes.slice(0, 8))}, got ${label}`)
        : { label: index };
    },
  };
};

/** Names of so many columns: those given, or counted. @throws ConfigError for another number of names */
const namesOf = (
  count: number,
  given: readonly string[] | undefined,
  { setting, word }: { readonly setting: string; readonly word: string },
): readonly string[] => {
  if (given && given.length !== count) {
    throw new ConfigError(
      `multimodal arrays: expected ${count} ${setting}, one for each column of the labels, got ${given.length}; correct ${setting}`,
      { code: 'label-columns' },
    );
  }
  return given ?? Array.from({ length: count }, (_, at) => `${word}-${at}`);
};

const flagTargets = (rows: readonly Float64Array[], given: readonly string[] | undefined): AskedTargets => ({
  kind: 'multimodal-labels',
  classes: namesOf(rows[0]?.length ?? 0, given, { setting: 'classes', word: 'label' }),
  settings: {},
  answer: (id, numbers) =>
    numbers.every((value) => value === 0 || value === 1)
      ? { targets: [...numbers.keys()].filter((at) => numbers[at] === 1) }
      : fault(id, 'no-label', `expected a 0 or a 1 for each label, got ${excerpt([...numbers])}`),
});

const numberTargets = (
  rows: readonly Float64Array[],
  given: readonly string[] | undefined,
): AskedTargets => ({
  kind: 'multimodal-numbers',
  settings: { outputs: namesOf(rows[0]?.length ?? 0, given, { setting: 'outputs', word: 'target' }) },
  answer: (_, numbers) => ({ targets: [...numbers] }),
});

/** What rows of numbers ask. @throws ConfigError for no label at all, and names that are not as many as columns */
const targetsOf = (
  form: AskedForm,
  rows: readonly Float64Array[],
  { classes, outputs }: GivenNames,
): AskedTargets => {
  if (form === 'class') return classTargets(rows, classes);
  return form === 'labels' ? flagTargets(rows, classes) : numberTargets(rows, outputs);
};

/**
 * What the labels of some arrays ask.
 * @throws ConfigError for no label at all
 */
export const askedTargets = async (
  parts: readonly ArrayPart[],
  {
    asked,
    classes: given,
    outputs,
  }: {
    readonly asked?: AskedForm | undefined;
    readonly classes?: readonly string[] | undefined;
    readonly outputs?: readonly string[] | undefined;
  },
): Promise<AskedTargets> => {
  const rows = await labelRows(parts);
  return targetsOf(asked ?? formOf(rows), rows, { classes: given, outputs });
};

/** The number of items of an array. @throws FormatError where that is not the labels' */
const requireLength = (source: ArraySource, pass: ArrayPass, count: number, labels: ArraySource): void => {
  if (pass.shape[0] === count) return;
  throw new FormatError(
    `${source.name}: expected as many samples as labels in ${labels.name}, got ${pass.shape[0] ?? 0} and ${count}; name arrays that belong together`,
    { code: 'array-lengths' },
  );
};

/** A content of numbers; one of NaN alone is missing. */
const contentOf = (bytes: Uint8Array, pass: ArrayPass): SampleContent | undefined => {
  const sides = pass.shape.slice(1);
  const shape = sides.length === 0 ? [1] : sides;
  const values = pass.type === 'uint8' ? Uint8Array.from(bytes) : numbersOf(bytes, pass);
  return values.length > 0 && values.every((value) => Number.isNaN(value))
    ? undefined
    : { kind: 'values', values, shape };
};

/** An input's array while it is read. */
interface InputPass {
  readonly name: string;
  readonly pass: ArrayPass & AsyncDisposable;
  readonly items: AsyncGenerator<Uint8Array>;
}

/** The contents of the next sample, by input. */
const nextContents = async (
  passes: readonly InputPass[],
): Promise<Readonly<Record<string, SampleContent>>> => {
  const contents: [string, SampleContent][] = [];
  for (const { name, pass, items } of passes) {
    const next = await items.next();
    const content = next.done === true ? undefined : contentOf(next.value, pass);
    if (content) contents.push([name, content]);
  }
  return Object.fromEntries(contents);
};

/** Items of several arrays at once, as long as the labels have some. */
async function* readPart(part: ArrayPart, asked: AskedTargets): AsyncGenerator<ReaderItem> {
  const { labels, inputs, split } = part;
  await using answers = await labels.open();
  const count = answers.shape[0] ?? 0;
  const passes: InputPass[] = [];
  try {
    for (const [name, source] of inputs) {
      const pass = await source.open();
      passes.push({ name, pass, items: pass.items() });
      requireLength(source, pass, count, labels);
    }
    let at = 0;
    for await (const bytes of answers.items()) {
      const id = `${labels.name}/${at}`;
      at += 1;
      const contents = await nextContents(passes);
      const answer = asked.answer(id, numbersOf(bytes, answers));
      if ('kind' in answer) yield answer;
      else
        yield {
          kind: 'sample',
          id,
          contents,
          ...answer,
          ...(split === undefined ? {} : { split }),
        };
    }
  } finally {
    for (const { pass } of passes) await pass[Symbol.asyncDispose]();
  }
}

/** A reader of arrays side by side. @throws FormatError, when it reads, for arrays of different lengths */
export const multimodalReader = ({
  name,
  parts,
  stored,
  asked,
}: {
  readonly name: string;
  readonly parts: readonly ArrayPart[];
  readonly stored: Readonly<Record<string, StoredInput>>;
  readonly asked: AskedTargets;
}): MultimodalSource => {
  const splits = parts.flatMap(({ split }) => split ?? []);
  return {
    kind: asked.kind,
    settings: { ...asked.settings, inputs: stored },
    reader: {
      name,
      ...(asked.classes ? { classes: asked.classes } : {}),
      ...(splits.length === parts.length && splits.length > 0 ? { splits: orderSplits(splits) } : {}),
      async *read() {
        for (const part of parts) yield* readPart(part, asked);
      },
    },
  };
};
