/** What a family of tasks shows to routers: the kinds of segments of its inputs and candidates. */
import type { RoutingKey } from '@polygate/encoder';
import { segmentRows, type TaskFamily, type TrainedTask } from '@polygate/tasks';

type SegmentName = keyof typeof segmentRows;

const segmentsOfFamily: Readonly<Record<TaskFamily, readonly SegmentName[]>> = Object.freeze({
  'image-classification': ['image', 'name'],
  'masked-language-modelling': ['maskedText', 'vocabulary'],
  'image-captioning': ['captionImage', 'captionText', 'vocabulary'],
  'image-text-retrieval': ['image', 'caption'],
});

const visual: ReadonlySet<SegmentName> = new Set(['image', 'captionImage']);

/** The routing keys of a task, inputs first. */
export const taskSegments = ({ name, family }: Pick<TrainedTask, 'name' | 'family'>): readonly RoutingKey[] =>
  segmentsOfFamily[family].map((segment) => ({
    attributes: segmentRows[segment],
    modality: visual.has(segment) ? 'visual' : 'text',
    task: name,
  }));
