/** Probing in a process in which no engine has started yet. A file of its own: engines that run never stop. */
import * as tf from '@tensorflow/tfjs';
import { afterEach, expect, it, vi } from 'vitest';
import { probeEngines, selectEngine } from '../src/index.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

it('probing starts no engine, and the current one works right after it', async () => {
  const warnings = vi.spyOn(console, 'warn');
  await selectEngine({ engine: 'cpu' });
  await probeEngines();
  expect(Object.keys(tf.engine().registry)).not.toContain('wasm');
  const sum = tf.add(tf.scalar(1), tf.scalar(2));
  expect(sum.dataSync()[0]).toBe(3);
  // tfjs's cpu backend greets its first tensor in Node with an advertisement; other warnings of tfjs stay.
  expect(warnings).not.toHaveBeenCalled();
  tf.backend_util.warn('a warning of tfjs');
  expect(warnings).toHaveBeenCalledWith('a warning of tfjs');
});
