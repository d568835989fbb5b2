/** Modality routing: R(x) = embed(modality of the token), Uni-Perceiver-MoE, Eq. 7. */
import { embeddingTableCondition } from './embedding-table.ts';
import type { LearnedCondition } from './condition.ts';
import type { ConditionFactory, RoutingKey } from './routing-key.ts';

/** Routes by the modality of a segment. Parameter: `modality.embedding` [S, modalities, D]. */
export const modalityFactory: ConditionFactory<LearnedCondition<RoutingKey>> = Object.freeze({
  name: 'modality',
  summary: "a learned embedding of the segment's modality",
  create: ({ modalities }: { readonly modalities: readonly string[] }) =>
    embeddingTableCondition({ name: 'modality', names: modalities, reads: 'modality' }),
});
