/**
 * Task-specific parameters, the baseline of Uni-Perceiver-MoE, Table 3: every task has copies of its own of all that the
 * experts replace. Expert t serves task t with gate 1; nothing is learned about the choice.
 */
import type { FixedCondition } from './condition.ts';
import { checkNames, indexOfName } from './embedding-table.ts';
import type { ConditionFactory, RoutingKey } from './routing-key.ts';

/** One expert per task, in the order of the tasks. */
export const taskSpecificFactory: ConditionFactory<FixedCondition<RoutingKey>> = Object.freeze({
  name: 'task-specific',
  summary: 'an expert of its own for each task, no router (baseline)',
  create: ({ tasks }: { readonly tasks: readonly string[] }): FixedCondition<RoutingKey> => {
    checkNames('task-specific', 'task', tasks);
    return Object.freeze({
      name: 'task-specific',
      dataIndependent: true as const,
      fixed: true as const,
      reads: ['task'] as const,
      experts: tasks.length,
      keyOf: ({ task }: RoutingKey) => task,
      expertOf: ({ task }: RoutingKey) => indexOfName('task', task, tasks),
    });
  },
});
