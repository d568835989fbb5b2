/** Task routing: R(x) = embed(task that the sequence serves), Uni-Perceiver-MoE, Eq. 8. */
import { embeddingTableCondition } from './embedding-table.ts';
import type { LearnedCondition } from './condition.ts';
import type { ConditionFactory, RoutingKey } from './routing-key.ts';

/** Routes by the task of a sequence. Parameter: `task.embedding` [S, tasks, D]. */
export const taskFactory: ConditionFactory<LearnedCondition<RoutingKey>> = Object.freeze({
  name: 'task',
  summary: 'a learned embedding of the task that the sequence serves',
  create: ({ tasks }: { readonly tasks: readonly string[] }) =>
    embeddingTableCondition({ name: 'task', names: tasks, reads: 'task' }),
});
