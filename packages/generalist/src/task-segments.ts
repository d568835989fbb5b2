/** What a task shows to routers: the kinds of segments of its inputs and candidates. */
import type { RoutingKey } from '@polygate/encoder';
import { familySegments, type TrainedTask } from '@polygate/tasks';

/** The routing keys of a task, inputs first. @throws ConfigError for a family that is not registered */
export const taskSegments = ({
  name,
  family,
  settings,
}: Pick<TrainedTask, 'name' | 'family' | 'settings'>): readonly RoutingKey[] =>
  familySegments(family, settings).map(({ modality, row }) => ({ attributes: row, modality, task: name }));
