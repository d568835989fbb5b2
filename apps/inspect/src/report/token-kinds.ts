/**
 * The kinds of tokens that a model's tasks show to its routers, named for people: images, class names, masked text, and
 * so on. Kinds that a condition on rows does not tell apart are one.
 */
import { rowKey } from '@polygate/attributes';
import { taskSegments } from '@polygate/generalist';
import { familySegments, taskFamilies, type TrainedTask } from '@polygate/tasks';
import { createCondition, type RoutingKey } from '@polygate/routers';

const unique = (words: readonly string[]): readonly string[] => [...new Set(words)];

/** Name of the tokens of an attribute row such as `10011001`: as the task families call them. */
export const segmentName = (attributes: string): string => {
  const segments = taskFamilies()
    .flatMap(({ name }) => familySegments(name))
    .filter(({ row }) => rowKey(row) === attributes);
  const labels = unique(segments.flatMap(({ label }) => label ?? []));
  if (labels.length === 0) return `attributes ${attributes}`;
  return `${labels.join(' or ')}${segments.some(({ row }) => row.fromInputs) ? '' : ' as target'}`;
};

/** A row of the heat maps: tokens that get one decision. */
export interface TokenKind {
  readonly label: string;
  /** One key of the group; all of them give the same decision. */
  readonly key: RoutingKey;
  /** Everything that is in the group, for hover texts. */
  readonly detail: string;
}

const nameOf = ({ attributes }: RoutingKey): string => segmentName(rowKey(attributes));

/** Names a group by what its members share. */
const labelOf = (members: readonly RoutingKey[]): string => {
  const kinds = unique(members.map(nameOf));
  const tasks = unique(members.map(({ task }) => task));
  const modalities = unique(members.map(({ modality }) => modality));
  if (kinds.length === 1) return kinds[0] ?? '';
  if (tasks.length === 1) return tasks[0] ?? '';
  if (modalities.length === 1) return modalities[0] ?? '';
  return kinds.join(', ');
};

/** Labels that several groups share get their task in front. */
const distinct = (kinds: readonly TokenKind[]): readonly TokenKind[] =>
  kinds.map((kind) =>
    kinds.filter(({ label }) => label === kind.label).length === 1
      ? kind
      : { ...kind, label: `${kind.key.task}: ${kind.label}` },
  );

/**
 * Kinds of tokens of tasks under a condition on rows; empty for a condition on token content.
 * @throws ConfigError for an unknown condition
 */
export const tokenKinds = (
  tasks: readonly TrainedTask[],
  routing: {
    readonly condition: string;
    readonly conditionSettings?: Readonly<Record<string, unknown>>;
    readonly tasks: readonly string[];
    readonly modalities: readonly string[];
  },
): readonly TokenKind[] => {
  const { conditionSettings: settings = {}, tasks: named, modalities } = routing;
  const condition = createCondition(routing.condition, { tasks: named, modalities, settings });
  if (!condition.dataIndependent) return [];
  const groups = new Map<string, RoutingKey[]>();
  for (const key of tasks.flatMap(taskSegments)) {
    const id = condition.keyOf(key);
    groups.set(id, [...(groups.get(id) ?? []), key]);
  }
  const kinds = [...groups.values()].map((members) => ({
    label: labelOf(members),
    key: members[0] as RoutingKey,
    detail: `${unique(members.map((key) => `${nameOf(key)} of ${key.task}`)).join(', ')}; attributes ${unique(
      members.map(({ attributes }) => rowKey(attributes)),
    ).join(', ')}`,
  }));
  return distinct(kinds);
};
