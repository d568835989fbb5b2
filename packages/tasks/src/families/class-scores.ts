/** What a model gave a split. N samples, C classes. */
export interface ClassScores {
  /** [N * C], row by row; a larger score is a likelier class. */
  readonly scores: Float32Array;
  /** [N] */
  readonly labels: readonly number[];
  /** [N] what samples share, for intervals. */
  readonly groups: readonly string[];
  /** C */
  readonly classes: number;
  /** Whether scores are probabilities already. @default false */
  readonly areProbabilities?: boolean;
}
