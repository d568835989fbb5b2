/**
 * Where the routers of a model come from in a start that has some. Their parameters are stacked by site, so a row is
 * taken by the site that it belongs to (block and linear), and within a site by its expert's number, its name (a task,
 * a modality), or as a whole.
 *
 * S sites · E experts
 */
import { ownValue } from '@polygate/core';
import { sizeOf, type ParameterSpec } from '@polygate/nn';
import { describeRouters, type RoutingKey } from '@polygate/routers';
import type { ResolvedEncoderConfig } from '../config/config.ts';
import { routerStack } from '../models/description.ts';
import { conditionOf, type ResolvedExperts } from '../config/expert-config.ts';
import { gateSites } from '../experts/placement.ts';
import { shareSets } from './transfer-gates.ts';
import type { RowPair, StartConfig, TransferEntry } from './transfer-source.ts';
import { isMergedConfig } from '../merged/merged-config.ts';

const FITTED = 'rows of the start go to the experts of their merged sets';

const fresh = (name: string, reason: string): TransferEntry => ({ name, source: { how: 'new' }, reason });

/** The start's site that decided for the first linear of each of the model's, where there is one. */
const siteOrigins = (
  model: ResolvedEncoderConfig,
  start: ResolvedEncoderConfig,
): readonly (number | undefined)[] => {
  const sites = gateSites(start);
  return gateSites(model).map(({ block, linears: [first] }) => {
    const index = sites.findIndex((site) => site.block === block && first && site.linears.includes(first));
    return index < 0 ? undefined : index;
  });
};

/** Names that tell the rows of a parameter's second axis apart, or undefined where it has no such rows. */
const rowNamesOf = (moe: ResolvedExperts, name: string): readonly string[] | undefined => {
  if (name === 'gate.weight') return Array.from({ length: moe.experts }, (_, e) => `expert ${e}`);
  const condition = conditionOf(moe);
  if (condition.dataIndependent && condition.fixed === true) return undefined;
  return ownValue(condition.rowNames ?? {}, name);
};

/** Whether rows may depend on a list of names that differs, without the condition's saying which is whose. */
const unnamedTables = (model: ResolvedExperts, start: ResolvedExperts): boolean => {
  const condition = conditionOf(model);
  if (!condition.dataIndependent) return false;
  return (
    (condition.reads.includes('task') && model.tasks.join('\n') !== start.tasks.join('\n')) ||
    (condition.reads.includes('modality') && model.modalities.join('\n') !== start.modalities.join('\n'))
  );
};

interface Sides {
  readonly model: ResolvedExperts;
  readonly start: ResolvedExperts;
  readonly origins: readonly (number | undefined)[];
}

const withoutOrigin = (origins: Sides['origins']): string => {
  const count = origins.filter((origin) => origin === undefined).length;
  return count === 0 ? '' : `${count} of ${origins.length} routers have no counterpart in the start`;
};

const parameterTransfer = (
  name: string,
  { shape, from }: { readonly shape: readonly number[]; readonly from: ParameterSpec | undefined },
  { model, start, origins }: Sides,
): TransferEntry => {
  const relative = name.slice(name.indexOf('.') + 1);
  const names = rowNamesOf(model, relative);
  const startNames = rowNamesOf(start, relative);
  const inner = names && startNames ? 2 : 1;
  if (!from || from.shape.slice(inner).join() !== shape.slice(inner).join()) {
    return fresh(name, `of another shape in the start ([${from?.shape.join(', ') ?? ''}])`);
  }
  if (names === undefined && unnamedTables(model, start)) {
    return fresh(
      name,
      'a table of other names in the start, whose condition does not say which row is whose',
    );
  }
  const rowsTo = names?.length ?? 1;
  const rowsFrom = startNames?.length ?? 1;
  const pairs = (names ?? ['']).flatMap((own, to): RowPair[] => {
    const index = startNames ? startNames.indexOf(own) : 0;
    return index < 0 ? [] : [[to, index]];
  });
  const rows = origins.flatMap((origin, site) =>
    origin === undefined
      ? []
      : pairs.map(([to, index]): RowPair => [site * rowsTo + to, origin * rowsFrom + index]),
  );
  if (rows.length === 0)
    return fresh(name, 'the start has no router in these places, or none of these names');
  const whole = rows.length === sizeOf(shape.slice(0, inner));
  const sameRows = whole && from.shape.join() === shape.join() && rows.every(([to, index]) => to === index);
  if (sameRows) return { name, source: { how: 'taken', from: name } };
  const unknown = (names ?? []).filter((own) => startNames?.includes(own) === false);
  const reasons = [
    withoutOrigin(origins),
    unknown.length > 0 ? `${unknown.join(', ')} not known to the start` : '',
  ].filter(Boolean);
  return {
    name,
    source: { how: 'partly taken', from: name, rowSize: sizeOf(shape.slice(inner)), rows },
    reason: reasons.join('; ') || 'rows by their names, which the start has in another order or among others',
  };
};

/** The sources of all router parameters of a model. */
export const routerTransfer = (
  model: ResolvedEncoderConfig,
  start: StartConfig,
): readonly TransferEntry[] => {
  const stack = routerStack(model);
  if (!stack || !model.moe) return [];
  const specs = describeRouters<RoutingKey>(stack);
  const startStack = isMergedConfig(start) ? undefined : routerStack(start);
  const startSpecs = startStack ? describeRouters<RoutingKey>(startStack) : [];
  const shared = isMergedConfig(start) ? shareSets(model.moe, start) : undefined;
  if (shared && shared.rows.length > 0) {
    const { rows, margin } = shared;
    return specs.map(({ name }) =>
      name === specs.at(-1)?.name
        ? { name, source: { how: 'fitted', rows, margin }, reason: FITTED }
        : fresh(name, 'the start has no routers'),
    );
  }
  if (isMergedConfig(start) || !start.moe || startSpecs.length === 0) {
    return specs.map(({ name }) => fresh(name, 'the start has no routers'));
  }
  const { condition } = start.moe;
  if (condition !== model.moe.condition) {
    const reason = `routers look at ${model.moe.condition}, those of the start at ${condition}`;
    return specs.map(({ name }) => fresh(name, reason));
  }
  const sides = { model: model.moe, start: start.moe, origins: siteOrigins(model, start) };
  return specs.map(({ name, shape }) => {
    const from = startSpecs.find((each) => each.name === name);
    return parameterTransfer(name, { shape, from }, sides);
  });
};
