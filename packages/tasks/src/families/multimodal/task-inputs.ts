/** The inputs of multimodal tasks: which of a dataset's they read, and rows of them as sequences. */
import { ConfigError, excerpt, rowRandom, unknownName } from '@polygate/core';
import type { AttributeRow, TaskSignature } from '@polygate/attributes';
import {
  joinSegments,
  modalityNamed,
  segmentRow,
  type SegmentRows,
  type SequenceBatch,
} from '@polygate/modalities';
import { fixedListValues, type RecordBatch, type StoredInput } from '@polygate/stream';
import { z } from 'zod';
import { columnsOf } from '../../images.ts';
import type { CollateOptions } from '../../task.ts';
import type { DescribedDataset, InputSources, TaskInput, TaskSegment } from '../family.ts';

/** Column of flags, 1 where a row lacks an input. */
const MISSING = 'missing';
/** Longest text of an input where nothing is said. */
export const LONGEST_TEXT = 64;

/** Which inputs a task reads, by name, with settings of their modality; all that the dataset has where it is left out. */
export const inputSettings = z.record(z.string().min(1), z.record(z.string(), z.unknown())).optional();

/** An input as a task keeps it: what its suite says, and what the recipe does. Plain JSON. */
export interface KeptInput {
  readonly name: string;
  readonly stored: StoredInput;
  readonly settings: Readonly<Record<string, unknown>>;
  /** Its position among the inputs of the dataset. */
  readonly index: number;
}

/** What a multimodal task keeps of its inputs. */
export interface KeptInputs {
  readonly inputs: readonly KeptInput[];
  readonly maximumTokens?: number;
}

/**
 * The inputs that a task reads of a dataset, in the order of the dataset.
 * @throws ConfigError for names that the dataset does not have
 */
export const keptInputs = (
  given: z.output<typeof inputSettings>,
  { name: dataset, settings = {} }: DescribedDataset,
): readonly KeptInput[] => {
  const stored = (settings['inputs'] ?? {}) as Readonly<Record<string, StoredInput>>;
  const names = Object.keys(stored);
  const unknown = Object.keys(given ?? {}).find((name) => !names.includes(name));
  if (unknown !== undefined) throw unknownName(`input of ${dataset}`, unknown, names);
  const kept = names.flatMap((name, index): KeptInput[] =>
    given && !Object.hasOwn(given, name)
      ? []
      : [{ name, stored: stored[name] as StoredInput, settings: given?.[name] ?? {}, index }],
  );
  if (kept.length > 0) return kept;
  throw new ConfigError(
    `task inputs: expected one or more inputs of "${dataset}", got ${excerpt(given ?? {})}; it has ${names.join(', ') || 'none'}`,
    { code: 'no-inputs', fields: { dataset } },
  );
};

/** Settings that a model keeps, as its file has them: those of another version may lack their inputs. */
export const keptOf = (kept: Readonly<Record<string, unknown>> | undefined): KeptInputs => {
  const { inputs = [], maximumTokens } = (kept ?? {}) as Partial<KeptInputs>;
  return { inputs, ...(maximumTokens === undefined ? {} : { maximumTokens }) };
};

/** What a task with such inputs reads, and that it is answered by texts. */
export const signatureOf = ({ inputs }: KeptInputs): TaskSignature => ({
  inputs: [...new Set(inputs.map(({ stored: { modality } }) => modality))],
  targets: ['text'],
});

/** Attributes of the names that a task is answered by. Before anything is known of its inputs, those of a text. */
export const targetRow = (kept: KeptInputs): AttributeRow => {
  const signature = signatureOf(kept);
  const shown = signature.inputs.length > 0 ? signature : { inputs: ['text'], targets: ['text'] };
  return segmentRow(shown, { modality: 'text', causal: false, source: 'target' });
};

const inputRow = (kept: KeptInputs, { stored: { modality } }: KeptInput): AttributeRow =>
  segmentRow(signatureOf(kept), { modality, causal: false, source: 'input' });

/** What routers see of a task: its inputs, then the names. */
export const multimodalSegments = (settings?: Readonly<Record<string, unknown>>): readonly TaskSegment[] => {
  const kept = keptOf(settings);
  return [
    ...kept.inputs.map((input) => ({
      modality: input.stored.modality,
      row: inputRow(kept, input),
      label: input.name,
    })),
    { modality: 'text', row: targetRow(kept), label: 'name' },
  ];
};

/** The inputs of a task as their modalities read them. @throws ConfigError for settings that a modality does not have */
export const multimodalInputs = (
  settings: Readonly<Record<string, unknown>> | undefined,
  { image, tokenizer }: InputSources,
): readonly TaskInput[] => {
  const kept = keptOf(settings);
  const { maximumTokens = LONGEST_TEXT } = kept;
  return kept.inputs.map((each) => {
    const { name, stored, settings: ofInput } = each;
    const modality = modalityNamed(stored.modality);
    if (!modality.input) {
      throw new ConfigError(
        `input "${name}": expected a modality whose record says how such inputs are read, got ${stored.modality}; add input to it`,
        { code: 'record', fields: { path: 'input' } },
      );
    }
    const text = { vocabularySize: tokenizer.size, endToken: tokenizer.specials.endoftext, maximumTokens };
    const input = modality.input(stored, { name, image, text, settings: ofInput });
    return { name, modality: stored.modality, row: inputRow(kept, each), input, index: each.index };
  });
};

/** Reads batches of rows as sequences of all inputs, one after another; what a row lacks is padding. */
export const inputReader =
  (inputs: readonly TaskInput[]) =>
  (batch: RecordBatch, { random, training }: CollateOptions): SequenceBatch => {
    const columns = columnsOf(batch);
    const flags = fixedListValues(batch, MISSING);
    const width = flags.length / batch.numRows;
    const parts = inputs.map(({ modality, input, row, name, index }): SegmentRows => {
      const rows = modalityNamed(modality).read(columns, input, {
        row,
        rowRandom: training ? (at) => rowRandom(random, at, name) : undefined,
      });
      const lacking = Array.from({ length: batch.numRows }, (_, at) =>
        Number(flags[at * width + index] ?? 0),
      );
      if (!lacking.includes(1)) return rows;
      const { length } = rows.segment;
      const padding = rows.padding?.slice() ?? new Uint8Array(batch.numRows * length);
      for (const [at, flag] of lacking.entries())
        if (flag === 1) padding.fill(1, at * length, (at + 1) * length);
      return { segment: rows.segment, padding };
    });
    return joinSegments(batch.numRows, parts);
  };
