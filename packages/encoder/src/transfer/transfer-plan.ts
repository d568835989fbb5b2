/**
 * Which parameters of an encoder come from another one, and why the others do not; nothing is allocated.
 *
 * What has the same name, shape and meaning is taken. Around it: experts that replace a dense layer are its copies
 * (sparse upcycling, Komatsuzaki et al. 2022), a dense layer that replaces experts is their mean, experts share the merged sets of an exported model, rows of tables go by
 * the names of tasks and modalities, text positions and frames by their index (a longer table has new rows at its end,
 * as language models are extended), and fixed positions of patches have no parameters.
 */
import { ConfigError } from '@polygate/core';
import type { ParameterSpec } from '@polygate/nn';
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
const SIZE_FIELDS = ['width', 'heads', 'hidden', 'vocabularySize', 'prefixToken'] as const;

const valueText = (value: unknown): string => JSON.stringify(value) ?? 'none';

const requireSizes = (model: ResolvedEncoderConfig, start: StartConfig): void => {
  const differ = SIZE_FIELDS.filter((field) => model[field] !== start[field]);
  if (differ.length === 0) return;
  const values = differ.map(
    (field) => `${field} (model ${valueText(model[field])}, start ${valueText(start[field])})`,
  );
  const remedy = differ.map((field) => `${field} ${valueText(start[field])}`).join(', ');
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
    const { renormalize, topK, experts, name } = group;
    if (renormalize || topK >= experts || !copiesWhole(start, linearsOf(group, start))) continue;
    const which = model.moe?.groups.length === 1 ? '' : ` in the group "${name}"`;
    throw new ConfigError(
      `transfer: expected gates that sum to 1 where experts start as copies of a dense layer, or of a merged one, got the ${topK} largest of ${experts} as they are (renormalize: false)${which}, which would scale the layer's output down; set renormalize: true`,
      { code: 'gates-below-one' },
    );
  }
};

/** Tables whose rows are taken by index as far as both have them. */
const INDEXED = new Map([
  ['embedding.position', 'text positions'],
  ['embedding.frame', 'frames'],
]);

const bodyEntry = ({ name, shape }: ParameterSpec, from: ParameterSpec | undefined): TransferEntry => {
  const taken: TransferEntry = { name, source: { how: 'taken', from: name } };
  if (!from) {
    const reason = name.startsWith('temperature.')
      ? 'a temperature that the start does not have'
      : 'a block that the start does not have';
    return { name, source: { how: 'new' }, reason };
  }
  if (from.shape.join() === shape.join()) return taken;
  const [rows = 0, width = 0] = shape;
  const [startRows = 0] = from.shape;
  const what = INDEXED.get(name);
  if (what === undefined) {
    return { name, source: { how: 'new' }, reason: 'patches of another size or other channels in the start' };
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
  if (name.startsWith('routers.')) return 'the model has no router that looks at the same';
  if (name.includes('.experts.') || name.includes('.merged.')) return 'the model has no expert in its place';
  return 'the model has none of this name';
};

const settingsOf = (model: ResolvedEncoderConfig, start: StartConfig): readonly string[] => [
  ...(model.moe?.groups ?? []).flatMap((group) => {
    const other = counterpartOf(group, start);
    if (other?.kind !== 'experts') return [];
    return (['topK', 'renormalize'] as const).flatMap((field) => {
      const [own, theirs] = [group[field], other.group[field]];
      return own === theirs
        ? []
        : [`${groupPath(group.name)}.${field} (model ${valueText(own)}, start ${valueText(theirs)})`];
    });
  }),
  ...(model.gridScale === start.gridScale
    ? []
    : [`gridScale (model ${model.gridScale}, start ${start.gridScale})`]),
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
  const entries = specs.map((spec): TransferEntry => {
    const router = routers.get(spec.name);
    if (router) return router;
    const [, block, linear, expert, part = ''] = LINEAR.exec(spec.name) ?? [];
    if (linear === undefined || Number(block) >= start.layers) {
      return bodyEntry(spec, startSpecs.get(spec.name));
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
