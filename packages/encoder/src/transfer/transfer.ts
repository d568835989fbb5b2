/** Starting an encoder from another one's weights: carries out a {@link planTransfer plan}. */
import { ConfigError, type Random } from '@polygate/core';
import type { ParameterSet } from '@polygate/nn';
import { describeRouters } from '@polygate/routers';
import type { EncoderConfig } from '../config/config.ts';
import { groupStack } from '../experts/group-routers.ts';
import type { Encoder } from '../models/encoder.ts';
import type { MergedEncoderConfig } from '../merged/merged-config.ts';
import { isTemperature, planTransfer, type TransferPlan } from './transfer-plan.ts';
import { interpolatedRows } from './interpolated-rows.ts';
import { fitSite } from './transfer-gates.ts';
import type { TransferEntry, TransferSource } from './transfer-source.ts';
import type { UniPerceiver } from '../models/uni-perceiver.ts';

/** Settings of {@link transferWeights}. */
export interface TransferOptions {
  /**
   * Deviation of the noise on the weights of experts that start as copies or as a mean, in units of each weight's own
   * deviation: it tells them apart from the first step on (a departure from the upcycling paper). @default 0
   */
  readonly noise?: number;
  /** Needed for noise; forked by parameter name. */
  readonly random?: Random;
  /** Whether every parameter but temperatures must be taken as it is, and everything of the start. @default false */
  readonly strict?: boolean;
}

const SHOWN = 5;

const checkNoise = (noise: number, random: Random | undefined): void => {
  if (noise > 0 && random === undefined) {
    throw new ConfigError('transfer: expected a random stream for the noise, got none; pass random');
  }
  if (!(noise >= 0 && noise < Infinity)) {
    throw new ConfigError(`transfer: expected noise of at least 0, got ${noise}; 0 keeps the copies equal`);
  }
};

/** Temperatures belong to the families of tasks, in which model and start may differ. */
const requireAll = ({ entries, left }: TransferPlan): void => {
  const counts = ({ name }: { readonly name: string }): boolean => !isTemperature(name);
  const other = [
    ...entries
      .filter((entry) => entry.source.how !== 'taken' && counts(entry))
      .map(({ name, source, reason }) => `${name} ${source.how} (${reason})`),
    ...left.filter(counts).map(({ name, reason }) => `${name} left behind (${reason})`),
  ];
  if (other.length === 0) return;
  const more = other.length > SHOWN ? `, and ${other.length - SHOWN} more` : '';
  throw new ConfigError(
    `transfer: expected to take every parameter of the start as it is (strict), got ${other.length} others: ${other.slice(0, SHOWN).join(', ')}${more}; set the model to what the start has, or strict to false`,
    { code: 'transfer-incomplete', fields: { others: other } },
  );
};

const meanOf = async (parameters: ParameterSet, names: readonly string[]): Promise<Float32Array> => {
  const sums = new Float64Array(parameters.get(names[0] ?? '').size);
  for (const name of names) {
    const values = await parameters.read(name);
    for (let i = 0; i < sums.length; i += 1) sums[i] = (sums[i] ?? 0) + (values[i] ?? 0);
  }
  return Float32Array.from(sums, (sum) => sum / names.length);
};

const carry = async (
  parameters: ParameterSet,
  start: ParameterSet,
  { name, source }: TransferEntry,
): Promise<void> => {
  switch (source.how) {
    case 'new':
      return;
    case 'taken':
    case 'copied':
      parameters.get(name).assign(start.get(source.from));
      return;
    case 'averaged':
      parameters.write(name, await meanOf(start, source.from));
      return;
    case 'partly taken': {
      const values = await parameters.read(name);
      const from = await start.read(source.from);
      const { rowSize } = source;
      for (const [to, row] of source.rows) {
        values.set(from.subarray(row * rowSize, (row + 1) * rowSize), to * rowSize);
      }
      parameters.write(name, values);
      return;
    }
    case 'interpolated': {
      const { rowSize } = source;
      const rows = parameters.get(name).size / rowSize;
      parameters.write(name, interpolatedRows(await start.read(source.from), { rows, rowSize }));
      return;
    }
    case 'fitted':
      // Last, when the values that representations are made of are in their places.
      return;
    default:
      source satisfies never;
  }
};

/** Moves the gates of all routers, see {@link fitSite}. */
const fitGates = async (
  { config, parameters }: UniPerceiver,
  { group: name, rows, margin }: Extract<TransferSource, { how: 'fitted' }>,
): Promise<void> => {
  const group = config.moe?.groups.find((each) => each.name === name);
  if (!group) return;
  const stack = groupStack(group, config);
  const { condition, sites, width } = stack;
  if (!condition.dataIndependent || condition.fixed === true) return;
  const names = describeRouters(stack).map((spec) => spec.name);
  const values = await Promise.all(names.map((name) => parameters.read(name)));
  const weight = values.pop() ?? new Float32Array();
  const keys = rows.map(({ key }) => key);
  const features = condition.represent(values, keys, { width, sites }).values;
  const extent = condition.representationWidth({ width, sites });
  const part = <T extends Float32Array | Float64Array>(all: T, site: number): T =>
    all.subarray((site * all.length) / sites, ((site + 1) * all.length) / sites) as T;
  for (let site = 0; site < sites; site += 1) {
    fitSite({ gates: part(weight, site), features: part(features, site), width: extent }, rows, margin);
  }
  parameters.write(names.at(-1) ?? '', weight);
};

const addNoise = async (
  parameters: ParameterSet,
  name: string,
  { noise, random }: { readonly noise: number; readonly random: Random },
): Promise<void> => {
  const values = await parameters.read(name);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  const stream = random.fork(name);
  parameters.write(
    name,
    values.map((value) => value + noise * deviation * stream.normal()),
  );
};

/**
 * Overwrites an encoder's weights by those of another as far as they fit, see {@link planTransfer}; what is new stays as
 * it was drawn. From a dense or merged start, without noise, the encoder then computes what the start does where gates sum to 1
 * and no token is dropped; from one with the same experts it computes the same for all that both know.
 * @param encoder changed in place; its merged cache is cleared
 * @param start borrowed
 * @returns what was done with every parameter
 * @throws ConfigError as {@link planTransfer}, for noise without a random stream, or (strict, code
 * `transfer-incomplete`) for a start that does not fit as a whole
 */
export const transferWeights = async (
  encoder: UniPerceiver,
  start: Encoder,
  { noise = 0, random, strict = false }: TransferOptions = {},
): Promise<TransferPlan> => {
  checkNoise(noise, random);
  const plan = planTransfer(encoder.config, start.config as EncoderConfig | MergedEncoderConfig);
  if (strict) requireAll(plan);
  for (const entry of plan.entries) {
    const { name, source } = entry;
    await carry(encoder.parameters, start.parameters, entry);
    // Also copies of a part of a start's linear, such as its queries.
    const isCopy = source.how !== 'taken' && source.how !== 'new';
    if (noise > 0 && random && isCopy && name.includes('.experts.') && name.endsWith('.weight')) {
      await addNoise(encoder.parameters, name, { noise, random });
    }
  }
  for (const { source } of plan.entries) if (source.how === 'fitted') await fitGates(encoder, source);
  encoder.clearMergedCache();
  return plan;
};
