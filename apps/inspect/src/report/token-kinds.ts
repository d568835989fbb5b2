/**
 * The kinds of tokens that a model's tasks show to its routers, named for people: pictures of classification, class
 * names, masked text, and so on. For conditions on rows, kinds that the condition does not tell apart are one.
 */
import { rowKey } from '@polygate/attributes';
import type { TrainedTask } from '@polygate/generalist';
import { conditionNamed, type RoutingKey } from '@polygate/routers';
import { segmentRows, type TaskFamily } from '@polygate/tasks';

interface SegmentKind {
  /** What it is, e.g. "picture". */
  readonly what: string;
  readonly modality: 'visual' | 'text';
  readonly row: RoutingKey['attributes'];
}

const names: SegmentKind = { what: 'class name', modality: 'text', row: segmentRows.name };
const captions: SegmentKind = { what: 'caption as target', modality: 'text', row: segmentRows.caption };
const picture: SegmentKind = { what: 'picture', modality: 'visual', row: segmentRows.image };
const words: SegmentKind = { what: 'word as target', modality: 'text', row: segmentRows.vocabulary };

const segmentsOf: Readonly<Record<TaskFamily, readonly SegmentKind[]>> = {
  'image-classification': [picture, names],
  'image-text-retrieval': [picture, captions],
  'masked-language-modelling': [
    { what: 'masked text', modality: 'text', row: segmentRows.maskedText },
    words,
  ],
  'image-captioning': [
    { what: 'picture to caption', modality: 'visual', row: segmentRows.captionImage },
    { what: 'words so far', modality: 'text', row: segmentRows.captionText },
    words,
  ],
};

/** A row of the heat maps: tokens that get one decision. */
export interface TokenKind {
  readonly label: string;
  /** One key of the group; all of them give the same decision. */
  readonly key: RoutingKey;
  /** Everything that is in the group, for hover texts. */
  readonly detail: string;
}

const unique = (words: readonly string[]): readonly string[] => [...new Set(words)];

/** Names a group by what its members share. */
const labelOf = (
  condition: string,
  members: readonly (SegmentKind & { readonly task: string })[],
): string => {
  const [first] = members;
  if (!first) return '';
  if (condition === 'modality') return first.modality;
  if (unique(members.map(({ task }) => task)).length === 1 && members.length > 1) return first.task;
  return unique(members.map(({ what }) => what)).join(', ');
};

/**
 * Kinds of tokens of tasks under a condition on rows; empty for a condition on token content.
 * @throws ConfigError for an unknown condition
 */
export const tokenKinds = (
  tasks: readonly TrainedTask[],
  routing: {
    readonly condition: string;
    readonly tasks: readonly string[];
    readonly modalities: readonly string[];
  },
): readonly TokenKind[] => {
  const condition = conditionNamed(routing.condition).create(routing);
  if (!condition.dataIndependent) return [];
  const groups = new Map<string, { key: RoutingKey; members: (SegmentKind & { task: string })[] }>();
  for (const { name, family } of tasks) {
    for (const segment of segmentsOf[family]) {
      const key = { attributes: segment.row, modality: segment.modality, task: name };
      const id = condition.keyOf(key);
      const group = groups.get(id) ?? { key, members: [] };
      group.members.push({ ...segment, task: name });
      groups.set(id, group);
    }
  }
  return [...groups.values()].map(({ key, members }) => ({
    label: labelOf(routing.condition, members),
    key,
    detail: `${unique(members.map(({ what, task }) => `${what} of ${task}`)).join(', ')}; attributes ${unique(
      members.map(({ row }) => rowKey(row)),
    ).join(', ')}`,
  }));
};

/** Name of an attribute row of a segment, for tokens that telemetry knows by their row alone. */
export const segmentName = (attributes: string): string => {
  const all = Object.values(segmentsOf).flat();
  const found = unique(all.filter(({ row }) => rowKey(row) === attributes).map(({ what }) => what));
  return found.length > 0 ? found.join(', ') : `attributes ${attributes}`;
};
