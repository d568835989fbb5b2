/** What `#tensorflow-engine` is where there is no Node. */
import { EngineError } from '@polygate/core';
import type { EngineLoader } from './engine-loader.ts';

/** A rung that never loads. */
export const tensorflowLoader = (name: 'tfjs-node' | 'tfjs-node-gpu', device: string): EngineLoader => {
  const remedy = 'use wasm here';
  return {
    name,
    devices: [device],
    precisions: ['f32'],
    remedy,
    load: () =>
      Promise.reject(new EngineError('it needs Node', { code: 'engine-missing', fields: { remedy } })),
  };
};
