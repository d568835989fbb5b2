/** What classes get beside their names, as methods with an adapter say it: a linear head, a learned token each, or nothing. */
import { ConfigError } from '@polygate/core';
import { taskFamilyNamed, type TrainedTask } from '@polygate/tasks';
import { z } from 'zod';
import type { AdapterParts } from '../tuning-method.ts';

/** Setting of a method: a linear head over the features, a learned token in front of the name of each class, or nothing. */
export const classesSetting = z.enum(['head', 'token', 'none']);

type Classes = z.output<typeof classesSetting>;

/**
 * The heads and tokens that tasks get.
 * @param choose what a task gets
 * @throws ConfigError for a task without classes that is to have them
 */
export const classParts = (
  tasks: readonly TrainedTask[],
  choose: (task: TrainedTask) => Classes,
): Required<Pick<AdapterParts, 'heads' | 'labels'>> => {
  const chosen = tasks.map((task) => {
    const wanted = choose(task);
    const { keepsClasses = false } = taskFamilyNamed(task.family);
    if (wanted === 'none' || (keepsClasses && task.classes)) return { name: task.name, wanted };
    throw new ConfigError(
      `tune: expected a classification for classes=${wanted}, got the task "${task.name}" of ${task.family}, which knows no classes; leave tune.classes out`,
      { fields: { task: task.name, classes: wanted } },
    );
  });
  const having = (wanted: Classes): readonly string[] =>
    chosen.filter((each) => each.wanted === wanted).map(({ name }) => name);
  return { heads: having('head'), labels: having('token') };
};

/** Norms of blocks, embedding and head; those of routers are part of the gates. */
export const isNorm: NonNullable<AdapterParts['replaces']> = ({ name, role }) =>
  role === 'norm' && !name.startsWith('routers.');
