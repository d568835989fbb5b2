import { EngineError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { afterEach, describe, expect, it } from 'vitest';
import { describeTorch, registerTorchEngine } from '@polygate/backend-torch';
import { describeOnTorch, torchBackend, torchMemory } from './torch-suite.ts';

describe('describeTorch', () => {
  it('says what there is, or why there is nothing and the remedy', () => {
    const report = describeTorch();
    if (report.available) {
      expect(report.version).toMatch(/^\d+\.\d+/);
      expect(report.threads).toBeGreaterThan(0);
      expect(report.cudaDevices).toBeGreaterThanOrEqual(0);
    } else {
      expect(report.why).toBeTruthy();
      expect(report.remedy).toMatch(/install|rebuild|set|unset|point/);
    }
  });
});

describeOnTorch('registerTorchEngine', () => {
  it('makes the backend current and describes itself in one line', async () => {
    const engine = await registerTorchEngine({ threads: 2, precision: 'f32' });
    expect(tf.getBackend()).toBe('torch');
    expect(engine).toMatchObject({ backendName: 'torch', device: 'cpu', precision: 'f32' });
    expect(engine.description).toMatch(/^LibTorch \d+\.\d+\S* on cpu, 2 threads, f32$/);
  });

  it('can be registered again: the earlier tensors are freed', async () => {
    await registerTorchEngine({ threads: 1 });
    const held = tf.ones([8]);
    expect(torchMemory().handles).toBe(1);
    await registerTorchEngine({ threads: 1 });
    expect(torchMemory().handles).toBe(0);
    expect(held.isDisposed).toBe(false);
  });

  it('refuses what it cannot be', async () => {
    await expect(registerTorchEngine({ device: 'tpu' })).rejects.toThrow(
      'device: expected cpu, cuda or cuda:N, got "tpu"',
    );
    await expect(registerTorchEngine({ precision: 'f16' as 'f32' })).rejects.toThrow(
      'precision: expected f32 or bf16, got "f16"',
    );
    await expect(registerTorchEngine({ threads: 0 })).rejects.toThrow(
      'threads: expected a whole number of at least 1, got 0',
    );
    const devices = describeTorch().cudaDevices ?? 0;
    const missing = await registerTorchEngine({ device: `cuda:${devices}` }).catch((error: unknown) => error);
    expect(missing).toBeInstanceOf(EngineError);
    expect((missing as EngineError).message).toMatch(/cuda:\d+ was asked for, but/);
  });

  it('has every kernel of tfjs’s reference backend', async () => {
    await registerTorchEngine({ threads: 1 });
    const names = (backend: string): string[] =>
      tf.getKernelsForBackend(backend).map(({ kernelName }) => kernelName);
    const mine = new Set(names('torch'));
    expect(names('cpu').filter((name) => !mine.has(name))).toEqual([]);
  });
});

describeOnTorch('errors', () => {
  it("carry ATen's text, typed, with the operator", () => {
    const { context } = torchBackend();
    const x = tf.ones([2, 3]);
    const failing = (): void => {
      context.runKernel(() =>
        context.output(context.aten('mm', context.tensorOf(x), context.tensorOf(x)), [2, 3]),
      );
    };
    expect(failing).toThrow(EngineError);
    expect(failing).toThrow(/^torch mm: (?:mm: )?mat1 and mat2 shapes cannot be multiplied \(2x3 and 2x3\)/u);
    x.dispose();
  });

  it('name an operator that this LibTorch lacks', () => {
    const { context } = torchBackend();
    expect(() => context.aten('no_such_operator')).toThrow('this LibTorch has no operator no_such_operator');
    expect(context.dispatcher.has('add.Tensor')).toBe(true);
    expect(context.dispatcher.has('add.Nothing')).toBe(false);
  });

  it('name a missing argument', () => {
    const { context } = torchBackend();
    expect(() => context.aten('relu')).toThrow("argument 'self' is missing");
  });

  it('refuse a handle that was released', () => {
    const { context } = torchBackend();
    const x = tf.ones([2]);
    const stale = context.dispatcher.scope(() => context.aten('neg', context.tensorOf(x)));
    expect(() => context.aten('neg', stale)).toThrow(/tensor handle \d+ is not alive/);
    x.dispose();
  });
});

describeOnTorch('running out of memory', () => {
  afterEach(async () => {
    await registerTorchEngine({ threads: 1 });
  });

  it('is an error that says what was asked and held, and leaves the engine usable', async () => {
    await registerTorchEngine({ threads: 1, memoryLimit: 1 << 20 });
    const kept = tf.ones([1000]);
    const before = torchMemory();
    let error: unknown;
    try {
      tf.zeros([1 << 20]);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(EngineError);
    expect((error as EngineError).code).toBe('out-of-memory');
    // 2^20 float32 values are 4 MiB; the thousand ones held take 4000 bytes.
    expect((error as EngineError).fields).toMatchObject({ asked: 4 << 20, held: 4000, limit: 1 << 20 });
    expect(torchMemory().handles).toBe(before.handles);
    expect(tf.sum(kept).dataSync()[0]).toBe(1000);
    kept.dispose();
  });

  it('also when the system itself has no more', () => {
    // 2^52 bytes: no machine maps a petabyte for one tensor.
    expect(() =>
      torchBackend().context.runKernel(() =>
        torchBackend().context.aten('empty.memory_format', [2 ** 50], 6),
      ),
    ).toThrow(/out of memory: asked for 4\.0 PiB/);
    expect(tf.add(1, 2).dataSync()[0]).toBe(3);
  });
});

describeOnTorch('reading', () => {
  it('gives the same values synchronously, as a promise and from a worker thread', async () => {
    const x = tf.tensor2d([1.5, -2, 3, 4], [2, 2]);
    expect([...x.dataSync()]).toEqual([1.5, -2, 3, 4]);
    expect([...(await x.data())]).toEqual([1.5, -2, 3, 4]);
    const { context } = torchBackend();
    const target = new Float32Array(4);
    const reading = context.dispatcher.readAsync(context.tensorOf(x), target);
    // The tensor may go while the copy is under way: the worker holds it.
    x.dispose();
    expect([...(await reading)]).toEqual([1.5, -2, 3, 4]);
  });

  it('moves tensors between backends', async () => {
    await tf.setBackend('cpu');
    const x = tf.tensor1d([1, 2, 3], 'int32');
    await tf.setBackend('torch');
    const y = tf.add(x, tf.scalar(1, 'int32'));
    expect([...y.dataSync()]).toEqual([2, 3, 4]);
    await tf.setBackend('cpu');
    expect([...tf.mul(y, tf.scalar(2, 'int32')).dataSync()]).toEqual([4, 6, 8]);
    await tf.setBackend('torch');
    expect([...tf.add(x, y).dataSync()]).toEqual([3, 5, 7]);
  });
});
