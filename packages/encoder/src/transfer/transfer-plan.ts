/**
 * Which parameters of an encoder come from another one, and why the others do not; nothing is allocated.
 *
 * What has the same name, shape and meaning is taken. Around it: experts that replace a dense layer are its copies
 * (sparse upcycling, Komatsuzaki et al. 2022), a dense layer that replaces experts is their mean, experts share the merged sets of an exported model, rows of tables go by
 * the names of tasks and modalities, text positions and frames by their index (a longer table has new rows at its end,
 * as language models are extended), and fixed positions of patches have no parameters.
 */
import { ConfigError, ownValue } from '@polygate/core';
import { modalityNamed, type ModalityTransfer } from '@polygate/modalities';
import type { ParameterSpec } from '@polygate/nn';
import { renormalizes } from '@polygate/routers';
import type { LinearRef } from '../blocks/block-linears.ts';
import { resolveEncoderConfig, type EncoderConfig, type ResolvedEncoderConfig } from '../config/config.ts';
import { describeEncoder } from '../models/description.ts';
import { describeMergedEncoder, isMergedConfig, type MergedEncoderConfig } from '../merged/merged-config.ts';
import type { ExpertGroup } from '../config/expert-groups.ts';
import { groupSites } from '../experts/sites.ts';
import { copiesWhole, denseTransfer, expertTransfer, type LinearTransfer } from './transfer-experts.ts';
import { routerTransfer } from './transfer-routers.ts';
import {
  counterpartOf,
  groupPath,
  resolveStart,
  type StartConfig,
  type TransferEntry,
} from './transfer-source.ts';

/** A parameter of the start that the model has no place for. */
export interface LeftParameter {
  readonly name: string;
  readonly reason: string;
}

/** Where every parameter of a model comes from. */
export interface TransferPlan {
  /** In the order of the model's parameters. */
  readonly entries: readonly TransferEntry[];
  /** What stays behind, in the start's order. */
  readonly left: readonly LeftParameter[];
  /** Settings without parameters that change what the taken weights compute, with both values. */
  readonly settings: readonly string[];
}

/** Fields that decide what the parameters of all layers mean: weights of others are of no use. */
const SIZE_FIELDS = ['width', 'heads', 'hidden'] as const;

const valueText = (value: unknown): string => JSON.stringify(value) ?? 'none';

/** A setting of both, with its values. */
interface Compared {
  readonly field: string;
  readonly model: unknown;
  readonly start: unknown;
}

/** Settings of the modalities that both embed, as their records name them. */
const modalityFields = (
  model: ResolvedEncoderConfig,
  start: StartConfig,
  fieldsOf: (transfer: ModalityTransfer) => readonly string[] | undefined,
): readonly Compared[] =>
  Object.keys(model.modalities)
    .filter((name) => Object.hasOwn(start.modalities, name))
    .flatMap((name) => {
      const valuesOf = ({ modalities }: StartConfig | ResolvedEncoderConfig): Record<string, unknown> =>
        (ownValue(modalities, name) ?? {}) as Record<string, unknown>;
      return (fieldsOf(modalityNamed(name).transfer ?? {}) ?? []).map((field) => ({
        field,
        model: valuesOf(model)[field],
        start: valuesOf(start)[field],
      }));
    });

const differing = (fields: readonly Compared[]): readonly Compared[] =>
  fields.filter((each) => each.model !== each.start);

const bothValues = ({ field, model, start }: Compared): string =>
  `${field} (model ${valueText(model)}, start ${valueText(start)})`;

const requireSizes = (model: ResolvedEncoderConfig, start: StartConfig): void => {
  const differ = differing([
    ...SIZE_FIELDS.map((field) => ({ field, model: model[field], start: start[field] })),
    ...modalityFields(model, start, ({ same }) => same),
  ]);
  if (differ.length === 0) return;
  const values = differ.map(bothValues);
  const remedy = differ.map((each) => `${each.field} ${valueText(each.start)}`).join(', ');
  throw new ConfigError(
    `transfer: expected a start of the model's sizes, got others: ${values.join(', ')}; give the model ${remedy}, or train a start of the model's sizes`,
    { code: 'sizes-differ', fields: { differ: values } },
  );
};

/** Linears of a group in the blocks that the start has too. */
const linearsOf = (group: ExpertGroup, start: StartConfig): readonly LinearRef[] =>
  groupSites(group)
    .filter(({ block }) => block < start.layers)
    .flatMap(({ block, linears }) => linears.map((linear) => ({ block, linear })));

/** Copies of a layer compute what it does only where gates sum to 1. */
const requireWholeGates = (model: ResolvedEncoderConfig, start: StartConfig): void => {
  for (const group of model.moe?.groups ?? []) {
    const { renormalize, topKByModality, experts, name } = group;
    const topK = [group.topK, ...Object.values(topKByModality)].find(
      (count) => count < experts && !renormalizes(renormalize, count),
    );
    if (topK === undefined || !copiesWhole(start, linearsOf(group, start))) continue;
    const which = model.moe?.groups.length === 1 ? '' : ` in the group "${name}"`;
    throw new ConfigError(
      `transfer: expected gates that sum to 1 where experts start as copies of a dense layer, or of a merged one, got the ${topK} largest of ${experts} as they are (renormalize: false)${which}, which would scale the layer's output down; set renormalize: true`,
      { code: 'gates-below-one' },
    );
  }
};

/** What the modality of each parameter says of transfers. */
const transferOf = ({ modalities, width }: ResolvedEncoderConfig): ReadonlyMap<string, ModalityTransfer> =>
  new Map(
    Object.entries(modalities).flatMap(([name, settings]) => {
      const modality = modalityNamed(name);
      return modality
        .parameters(settings, width)
        .map((spec) => [spec.name, modality.transfer ?? {}] as const);
    }),
  );

/** Whether a parameter is a family's temperature. */
export const isTemperature = (name: string): boolean => name.startsWith('temperature.');

const newReason = (name: string): string => {
  if (isTemperature(name)) return 'a temperature that the start does not have';
  if (name.startsWith('embedding.')) return 'a modality that the start does not have';
  return 'a block that the start does not have';
};

const bodyEntry = (
  { name, shape }: ParameterSpec,
  from: ParameterSpec | undefined,
  transfer: ModalityTransfer = {},
): TransferEntry => {
  const taken: TransferEntry = { name, source: { how: 'taken', from: name } };
  if (!from) return { name, source: { how: 'new' }, reason: newReason(name) };
  if (from.shape.join() === shape.join()) return taken;
  const [rows = 0, width = 0] = shape;
  const [startRows = 0] = from.shape;
  const interpolated = transfer.interpolated?.[name];
  if (interpolated !== undefined && from.shape[1] === width) {
    return {
      name,
      source: { how: 'interpolated', from: name, rowSize: width },
      reason: `${rows} ${interpolated} between the start's ${startRows}`,
    };
  }
  const what = transfer.tables?.[name];
  if (what === undefined) {
    return { name, source: { how: 'new' }, reason: transfer.mismatch ?? 'of another shape in the start' };
  }
  const shared = Math.min(rows, startRows);
  return {
    name,
    source: {
      how: 'partly taken',
      from: name,
      rowSize: width,
      rows: Array.from({ length: shared }, (_, row) => [row, row] as const),
    },
    reason:
      rows > startRows
        ? `${rows - startRows} new ${what} after the start's ${startRows}`
        : `the first ${rows} of the start's ${startRows} ${what}`,
  };
};

const LINEAR = /^blocks\.(\d+)\.(\w+\.\w+)\.(?:experts\.(\d+)\.)?(weight|bias)$/u;

const linearEntry = (name: string, part: string, { source, reason }: LinearTransfer): TransferEntry => ({
  name,
  source: source(part),
  ...(reason === undefined ? {} : { reason }),
});

const sourceNames = ({ source }: TransferEntry): readonly string[] => {
  if (source.how === 'new' || source.how === 'fitted') return [];
  return source.how === 'averaged' ? source.from : [source.from];
};

const leftReason = (name: string, model: ResolvedEncoderConfig): string => {
  const block = Number(/^blocks\.(\d+)\./u.exec(name)?.[1] ?? -1);
  if (block >= model.layers) return 'the model does not have this block';
  if (isTemperature(name)) return 'the model has no task of its family';
  if (name.startsWith('routers.')) return 'the model has no router that looks at the same';
  if (name.includes('.experts.') || name.includes('.merged.')) return 'the model has no expert in its place';
  return 'the model has none of this name';
};

/** What of a group has no parameters and changes what its experts compute. */
const choiceOf = ({ topK, topKByModality, renormalize }: ExpertGroup): Readonly<Record<string, unknown>> => ({
  topK,
  topKByModality,
  renormalize: renormalizes(renormalize, topK),
});

const settingsOf = (model: ResolvedEncoderConfig, start: StartConfig): readonly string[] => [
  ...(model.moe?.groups ?? []).flatMap((group) => {
    const other = counterpartOf(group, start);
    if (other?.kind !== 'experts') return [];
    const values = choiceOf(group);
    const startValues = new Map(Object.entries(choiceOf(other.group)));
    return Object.entries(values).flatMap(([field, value]) => {
      const [modelText, its] = [valueText(value), valueText(startValues.get(field))];
      return modelText === its
        ? []
        : [`${groupPath(group.name)}.${field} (model ${modelText}, start ${its})`];
    });
  }),
  ...differing(modalityFields(model, start, ({ told }) => told)).map(bothValues),
];

/**
 * Plans a model's start from another encoder's weights.
 * @param config of the model, dense or with experts
 * @param startConfig dense, with experts, or with merged ones (an exported model)
 * @throws ConfigError for sizes that differ (code `sizes-differ`), or experts that would be copies of a dense layer
 * while their gates don't sum to 1 (code `gates-below-one`)
 */
export const planTransfer = (
  config: EncoderConfig,
  startConfig: EncoderConfig | MergedEncoderConfig,
): TransferPlan => {
  const model = resolveEncoderConfig(config);
  const start = resolveStart(startConfig);
  requireSizes(model, start);
  requireWholeGates(model, start);
  const specs = describeEncoder(model);
  const startSpecs = new Map(
    (isMergedConfig(start) ? describeMergedEncoder(start) : describeEncoder(start)).map((spec) => [
      spec.name,
      spec,
    ]),
  );
  const routers = new Map(routerTransfer(model, start).map((entry) => [entry.name, entry]));
  const experts = expertTransfer(model, start);
  const transfers = transferOf(model);
  const entries = specs.map((spec): TransferEntry => {
    const router = routers.get(spec.name);
    if (router) return router;
    const [, block, linear, expert, part = ''] = LINEAR.exec(spec.name) ?? [];
    if (linear === undefined || Number(block) >= start.layers) {
      return bodyEntry(spec, startSpecs.get(spec.name), transfers.get(spec.name));
    }
    const ref = { block: Number(block), linear };
    const transfer = expert === undefined ? denseTransfer(model, start, ref) : experts(ref, Number(expert));
    return linearEntry(spec.name, part, transfer);
  });
  // A name that both have and that was not taken is among the entries, with its reason.
  const told = new Set([...entries.flatMap(sourceNames), ...entries.map(({ name }) => name)]);
  const left = [...startSpecs.keys()]
    .filter((name) => !told.has(name))
    .map((name) => ({ name, reason: leftReason(name, model) }));
  return Object.freeze({ entries, left, settings: settingsOf(model, start) });
};
