/**
 * Logits of stacked gates on the host: z[s, r, e] = sum_w W_g[s, e, w] R[s, r, w], in double precision.
 *
 * S sites · R rows · W width · E experts
 */

/** Extents of the product. */
export interface GateSize {
  readonly sites: number;
  readonly rows: number;
  readonly width: number;
  readonly experts: number;
}

/** Factors of the product. */
export interface GateFactors {
  /** [S, R, W] */
  readonly features: Float64Array;
  /** [S, E, W] */
  readonly weight: Float32Array;
}

/** @returns [S, R, E] */
export const gateLogits = (
  features: Float64Array,
  weight: Float32Array,
  { sites, rows, width, experts }: GateSize,
): Float64Array => {
  const logits = new Float64Array(sites * rows * experts);
  for (let line = 0; line < sites * rows; line += 1) {
    const site = Math.floor(line / rows);
    for (let e = 0; e < experts; e += 1) {
      const from = (site * experts + e) * width;
      let sum = 0;
      for (let w = 0; w < width; w += 1) sum += (weight[from + w] ?? 0) * (features[line * width + w] ?? 0);
      logits[line * experts + e] = sum;
    }
  }
  return logits;
};

/** Gradients of {@link gateLogits}. */
export const gateLogitsGradient = (
  gradient: Float64Array,
  { features, weight }: GateFactors,
  { sites, rows, width, experts }: GateSize,
): { readonly toFeatures: Float64Array; readonly toWeight: Float32Array } => {
  const toFeatures = new Float64Array(features.length);
  const toWeight = new Float32Array(weight.length);
  for (let line = 0; line < sites * rows; line += 1) {
    const site = Math.floor(line / rows);
    for (let e = 0; e < experts; e += 1) {
      const dz = gradient[line * experts + e] ?? 0;
      if (dz === 0) continue;
      const from = (site * experts + e) * width;
      for (let w = 0; w < width; w += 1) {
        const feature = line * width + w;
        toFeatures[feature] = (toFeatures[feature] ?? 0) + dz * (weight[from + w] ?? 0);
        toWeight[from + w] = (toWeight[from + w] ?? 0) + dz * (features[feature] ?? 0);
      }
    }
  }
  return { toFeatures, toWeight };
};
