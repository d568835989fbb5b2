/** Writes the splits of one planned dataset, and of the labelled twin that shares its images. */
import { join } from 'node:path';
import { rm } from 'node:fs/promises';
import { ConfigError } from '@polygate/core';
import { datasetSchema, kindNamed, selectSamples, type Sample, type SuiteDataset } from '@polygate/datasets';
import {
  buildBatch,
  fixedListValues,
  openShards,
  textRow,
  writeShards,
  type ColumnInput,
  type RecordBatch,
  type Schema,
} from '@polygate/stream';
import type { Tokenizer } from '@polygate/tokens';
import type { Ledger } from './ledger.ts';
import type { DatasetPlan } from '@polygate/datasets';
import { kindSettings, type PrepareRecipe } from './recipe.ts';

/** Kind of the twin that has the labels of a captioned dataset. */
const TWIN_KIND = 'labelled-image';

/** What writing needs beside the plan. */
export interface WriterContext {
  /** Folder of the suite. */
  readonly directory: string;
  readonly recipe: PrepareRecipe;
  readonly tokenizer: Tokenizer;
  readonly ledger: Ledger;
  /** Told of the rows made so far. */
  readonly progress: (what: string, rows: number) => void;
  readonly signal?: AbortSignal;
}

const schemaOf = (plan: DatasetPlan, kindName: string, context: WriterContext): Schema => {
  const kind = kindNamed(kindName);
  return datasetSchema({
    kind: kind.name,
    imageSize: context.recipe.image.size,
    extra: plan.extra ?? [],
    settings: kindSettings(plan, context.recipe),
    ...(kind.needsTokenizer ? { tokenizer: context.tokenizer.hash } : {}),
    ...(kind.hasClasses && plan.classes ? { classes: plan.classes } : {}),
  });
};

/** Faults of the readers are counted in the pass of the first split only; every pass reads all samples. */
async function* samplesOf(plan: DatasetPlan, split: string, context: WriterContext): AsyncGenerator<Sample> {
  for (const part of plan.parts) {
    yield* selectSamples(part.reader, {
      accept: (sample) => part.splitOf(sample) === split,
      ...(split === plan.splits[0] ? { onFault: (fault) => context.ledger.bad(fault) } : {}),
    });
  }
}

const batchesOf = (
  plan: DatasetPlan,
  split: string,
  context: WriterContext & { readonly schema: Schema; readonly labels: Map<string, number> },
): AsyncIterable<RecordBatch> => {
  const { schema, tokenizer, recipe, ledger, labels } = context;
  let rows = 0;
  const samples = samplesOf(plan, split, context);
  const remembered = plan.labelledTwin === undefined ? samples : remember(samples, labels);
  return kindNamed(plan.kind).batches(remembered, {
    schema,
    tokenizer,
    image: recipe.image,
    textLength: recipe.text.length,
    name: `${plan.name}/${split}`,
    settings: kindSettings(plan, recipe),
    budgets: recipe.budgets,
    onFault: (fault) => ledger.bad(fault),
    onNote: (note) => ledger.note(note),
    onRow: () => {
      ledger.good();
      rows += 1;
      if (rows % 500 === 0) context.progress(`${plan.name}/${split}`, rows);
    },
  });
};

async function* remember(
  samples: AsyncIterable<Sample>,
  labels: Map<string, number>,
): AsyncGenerator<Sample> {
  for await (const sample of samples) {
    if (sample.label !== undefined) labels.set(sample.id, sample.label);
    yield sample;
  }
}

/** The rows of a captioned split with labels in place of captions; the images are not decoded again. */
async function* relabel(
  source: string,
  schema: Schema,
  labels: ReadonlyMap<string, number>,
): AsyncGenerator<RecordBatch> {
  const shards = await openShards(source);
  try {
    for await (const batch of shards.batches()) {
      const texts = (name: string): string[] =>
        Array.from({ length: batch.numRows }, (_, row) => textRow(batch, name, row));
      const columns: Record<string, ColumnInput> = {};
      for (const { name } of schema.fields) {
        if (name === 'image') columns[name] = fixedListValues(batch, 'image');
        else if (name === 'label') columns[name] = Int32Array.from(texts('id'), (id) => labels.get(id) ?? -1);
        else columns[name] = texts(name);
      }
      yield buildBatch(schema, columns);
    }
  } finally {
    await shards.close();
  }
}

/** What suite.json says of the settings that rows were made with. */
const toldSettings = (plan: DatasetPlan, recipe: PrepareRecipe): Pick<SuiteDataset, 'settings'> => {
  const { section, told } = kindNamed(plan.kind);
  const settings = kindSettings(plan, recipe);
  const settingsToWrite = told ? told(settings) : section ? settings : {};
  return Object.keys(settingsToWrite).length > 0 ? { settings: settingsToWrite } : {};
};

/**
 * Writes all splits of a dataset below the suite's folder; splits without rows are left out.
 * @throws ConfigError where training would have no row; StateError at the limits of the quarantine
 */
export const writeDataset = async (plan: DatasetPlan, context: WriterContext): Promise<SuiteDataset[]> => {
  const { directory, recipe, ledger } = context;
  const schema = schemaOf(plan, plan.kind, context);
  const twinSchema = plan.labelledTwin === undefined ? undefined : schemaOf(plan, TWIN_KIND, context);
  const write = { compression: recipe.compression, ...(context.signal ? { signal: context.signal } : {}) };
  const splits: Record<string, { rows: number }> = {};
  ledger.begin(plan.name);
  for (const split of plan.splits) {
    const labels = new Map<string, number>();
    const folder = join(directory, plan.name, split);
    const { rows } = await writeShards(
      folder,
      schema,
      batchesOf(plan, split, { ...context, schema, labels }),
      write,
    );
    if (rows === 0) {
      await rm(folder, { recursive: true });
      continue;
    }
    splits[split] = { rows };
    if (plan.labelledTwin !== undefined && twinSchema) {
      await writeShards(
        join(directory, plan.labelledTwin, split),
        twinSchema,
        relabel(folder, twinSchema, labels),
        write,
      );
    }
    context.progress(`${plan.name}/${split}`, rows);
  }
  if (Object.keys(splits).length === 0) {
    const first = ledger.firstReason();
    const remedy =
      first === ''
        ? 'give a source that holds some: its file may be empty, or a header alone'
        : `they are listed in ${ledger.path}: mend the source${first}`;
    throw new ConfigError(`prepare ${plan.name}: expected rows, got none (${ledger.reasons()}); ${remedy}`, {
      code: 'no-rows',
      fields: { dataset: plan.name },
    });
  }
  const classes = plan.classes ? { classes: plan.classes } : {};
  const findings = {
    ...(plan.overlaps ? { overlaps: plan.overlaps } : {}),
    ...(plan.labelConflicts ? { labelConflicts: plan.labelConflicts } : {}),
  };
  return [
    {
      name: plan.name,
      kind: plan.kind,
      splits,
      ...(kindNamed(plan.kind).hasClasses ? classes : {}),
      ...toldSettings(plan, recipe),
      ...findings,
    },
    ...(plan.labelledTwin === undefined
      ? []
      : [{ name: plan.labelledTwin, kind: TWIN_KIND, splits, ...classes }]),
  ];
};
