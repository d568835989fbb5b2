/**
 * Where the routers of a model come from in a start that has some. Their parameters are stacked by site, so a row is
 * taken by the site that it belongs to (block and linear), and within a site by its expert's number, its name (a task,
 * a modality), or as a whole.
 *
 * S sites · E experts
 */
import { ownValue } from '@polygate/core';
import { sizeOf, type ParameterSpec } from '@polygate/nn';
import { describeRouters } from '@polygate/routers';
import type { ResolvedEncoderConfig } from '../config/config.ts';
import { conditionOf, type ConditionNames, type ExpertGroup } from '../config/expert-groups.ts';
import { groupStack } from '../experts/group-routers.ts';
import { groupSites } from '../experts/sites.ts';
import { isMergedConfig } from '../merged/merged-config.ts';
import { shareSets } from './transfer-gates.ts';
import {
  counterpartOf,
  namesOf,
  type RowPair,
  type StartConfig,
  type TransferEntry,
} from './transfer-source.ts';

const FITTED = 'rows of the start go to the experts of their merged sets';

const fresh = (name: string, reason: string): TransferEntry => ({ name, source: { how: 'new' }, reason });

/** The start's site that decided for the first linear of each of the model's, where there is one. */
const siteOrigins = (model: ExpertGroup, start: ExpertGroup): readonly (number | undefined)[] => {
  const sites = groupSites(start);
  return groupSites(model).map(({ block, linears: [first] }) => {
    const index = sites.findIndex((site) => site.block === block && first && site.linears.includes(first));
    return index < 0 ? undefined : index;
  });
};

/** A group of the model or of the start, with the names that it may route by. */
interface Side {
  readonly group: ExpertGroup;
  readonly names: ConditionNames;
}

/** Names that tell the rows of a parameter's second axis apart, or undefined where it has no such rows. */
const rowNamesOf = ({ group, names }: Side, name: string): readonly string[] | undefined => {
  if (name === 'gate.weight') return Array.from({ length: group.experts }, (_, e) => `expert ${e}`);
  const condition = conditionOf(group, names);
  if (condition.dataIndependent && condition.fixed === true) return undefined;
  return ownValue(condition.rowNames ?? {}, name);
};

/** Whether rows may depend on a list of names that differs, without the condition's saying which is whose. */
const unnamedTables = (model: Side, start: Side): boolean => {
  const condition = conditionOf(model.group, model.names);
  if (!condition.dataIndependent) return false;
  return (
    (condition.reads.includes('task') && model.names.tasks.join('\n') !== start.names.tasks.join('\n')) ||
    (condition.reads.includes('modality') &&
      model.names.modalities.join('\n') !== start.names.modalities.join('\n'))
  );
};

interface Sides {
  readonly model: Side;
  readonly start: Side;
  readonly origins: readonly (number | undefined)[];
}

const withoutOrigin = (origins: Sides['origins']): string => {
  const count = origins.filter((origin) => origin === undefined).length;
  return count === 0 ? '' : `${count} of ${origins.length} routers have no counterpart in the start`;
};

const parameterTransfer = (
  { name, shape }: ParameterSpec,
  from: ParameterSpec | undefined,
  { model, start, origins, relative }: Sides & { readonly relative: string },
): TransferEntry => {
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
  const pairs = (names ?? ['']).flatMap((rowName, to): RowPair[] => {
    const index = startNames ? startNames.indexOf(rowName) : 0;
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
  if (sameRows) return { name, source: { how: 'taken', from: from.name } };
  const unknown = (names ?? []).filter((rowName) => startNames?.includes(rowName) === false);
  const reasons = [
    withoutOrigin(origins),
    unknown.length > 0 ? `${unknown.join(', ')} not known to the start` : '',
  ].filter(Boolean);
  return {
    name,
    source: { how: 'partly taken', from: from.name, rowSize: sizeOf(shape.slice(inner)), rows },
    reason: reasons.join('; ') || 'rows by their names, which the start has in another order or among others',
  };
};

const groupTransfer = (
  group: ExpertGroup,
  model: ResolvedEncoderConfig,
  start: StartConfig,
): readonly TransferEntry[] => {
  const stack = groupStack(group, model);
  const specs = describeRouters(stack);
  const allNew = (reason: string): readonly TransferEntry[] => specs.map(({ name }) => fresh(name, reason));
  const other = counterpartOf(group, start);
  const shared = other?.kind === 'merged sets' ? shareSets(group, namesOf(model), other.group) : undefined;
  if (shared && shared.rows.length > 0) {
    const { rows, margin } = shared;
    return specs.map(({ name }) =>
      name === specs.at(-1)?.name
        ? { name, source: { how: 'fitted', group: group.name, rows, margin }, reason: FITTED }
        : fresh(name, 'the start has no routers'),
    );
  }
  if (isMergedConfig(start) || other?.kind !== 'experts') return allNew('the start has no routers');
  const startStack = groupStack(other.group, start);
  const startSpecs = describeRouters(startStack);
  if (startSpecs.length === 0) return allNew('the start has no routers');
  const { condition } = other.group;
  if (condition !== group.condition) {
    return allNew(`routers look at ${group.condition}, those of the start at ${condition}`);
  }
  const sides = {
    model: { group, names: namesOf(model) },
    start: { group: other.group, names: namesOf(start) },
    origins: siteOrigins(group, other.group),
  };
  return specs.map((spec) => {
    const relative = spec.name.slice(stack.prefix.length + 1);
    const from = startSpecs.find(({ name }) => name === `${startStack.prefix}.${relative}`);
    return parameterTransfer(spec, from, { ...sides, relative });
  });
};

/** The sources of all router parameters of a model. */
export const routerTransfer = (model: ResolvedEncoderConfig, start: StartConfig): readonly TransferEntry[] =>
  model.moe?.groups.flatMap((group) => groupTransfer(group, model, start)) ?? [];
