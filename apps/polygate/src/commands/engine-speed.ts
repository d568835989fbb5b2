import { selectEngine, type EngineName } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';

/** Speed of an engine's matrix product. */
export interface EngineSpeed {
  /** Billions of multiplications and additions a second, the median over about two seconds. */
  readonly gigaflops: number;
  readonly text: string;
}

const SECONDS = 2;

/** Selects an engine and multiplies square matrices on it for about two seconds. */
export const describeProbe = async (name: EngineName): Promise<EngineSpeed> => {
  await selectEngine({ engine: name });
  // The cpu reference does about 1 GFLOP/s: a small product there, one that fills the caches elsewhere.
  const size = name === 'cpu' ? 192 : 768;
  const a = tf.randomUniform([size, size], -1, 1, 'float32', 1);
  const b = tf.randomUniform([size, size], -1, 1, 'float32', 2);
  const times: number[] = [];
  const end = performance.now() + SECONDS * 1000;
  while (performance.now() < end) {
    const start = performance.now();
    const c = tf.matMul(a, b);
    await c.data();
    c.dispose();
    times.push(performance.now() - start);
  }
  tf.dispose([a, b]);
  times.sort((x, y) => x - y);
  const median = times[times.length >> 1] ?? Number.NaN;
  const gigaflops = (2 * size ** 3) / (median * 1e6);
  return { gigaflops, text: `matrix product ${size}x${size} f32: ${gigaflops.toFixed(1)} GFLOP/s` };
};
