/** What an experiment on small sets is: recipes that are compared on each of them, with equal seeds. */
import type { RecipeInput } from '@polygate/generalist';
import type { PreparedSet } from './prepare-sets.ts';

export interface SmallVariant {
  /** Unique in its experiment; stands in results. */
  readonly name: string;
  /** Stands in tables. */
  readonly label: string;
  /** Without suite, seed and engine; one that tunes starts from the experiment's base. */
  recipe(prepared: PreparedSet): RecipeInput;
}

export interface SmallExperiment {
  readonly name: string;
  readonly title: string;
  readonly question: string;
  /** Name of the variant that the others are compared with. */
  readonly baseline: string;
  readonly variants: readonly SmallVariant[];
  /** Recipe of the run whose model variants start from, where some do. @default none does */
  readonly base?: string;
}
