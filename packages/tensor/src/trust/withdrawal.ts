/** The way out for a kernel that has no other way: it is withdrawn, and what needs it is refused instead of wrong. */
import * as tf from '@tensorflow/tfjs';
import type { Workaround } from './examine.ts';

/**
 * Withdraws kernels of a backend. For those that few programs need: an engine that is wrong in what everybody needs is
 * passed over.
 */
export const withdrawal = (
  backendName: string,
  kernels: readonly string[],
  repairs: readonly string[],
): Workaround => {
  const withdrawn = new Map<string, tf.KernelConfig>();
  return {
    name: `${kernels.join(', ')} withdrawn`,
    repairs,
    quiet: true,
    use(on) {
      for (const name of kernels) {
        const kernel = tf.getKernel(name, backendName);
        const before = withdrawn.get(name);
        if (on && kernel) {
          withdrawn.set(name, kernel);
          tf.unregisterKernel(name, backendName);
        } else if (!on && before && !kernel) {
          tf.registerKernel(before);
        }
      }
    },
  };
};
