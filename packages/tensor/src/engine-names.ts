/** Engines of the ladder, best first. */
export type EngineName = 'torch' | 'tfjs-node-gpu' | 'tfjs-node' | 'wasm' | 'cpu';

/** How products and stored activations are kept; everything else is float32. */
export type Precision = 'f32' | 'bf16';
