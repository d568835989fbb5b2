import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { registerTorchKernel } from '@polygate/backend-torch';
import { describeOnTorch, torchBackend, torchMemory } from './torch-suite.ts';

/** Operations by name, each a whole forward and, where it has one, backward pass. */
const OPERATIONS: Readonly<Record<string, () => tf.Tensor | tf.Tensor[]>> = {
  arithmetic: () => tf.div(tf.mul(tf.add(tf.ones([3, 4]), 2), tf.sub(tf.ones([4]), 3)), 7),
  'integer division': () => tf.floorDiv(tf.tensor1d([7, -7], 'int32'), tf.tensor1d([2, 2], 'int32')),
  comparison: () => tf.where(tf.greater(tf.range(0, 6), 2), tf.zeros([6]), tf.ones([6])),
  unary: () => tf.softplus(tf.erf(tf.tanh(tf.sigmoid(tf.ones([5]))))),
  reductions: () => [tf.sum(tf.ones([2, 3]), 0), tf.max(tf.ones([2, 3])), tf.argMax(tf.ones([2, 3]), 1)],
  scans: () => tf.cumsum(tf.ones([2, 5]), 1, true, true),
  products: () =>
    tf.grad((x: tf.Tensor) => tf.sum(tf.matMul(x as tf.Tensor2D, tf.ones([3, 4]))))(tf.ones([2, 3])),
  einsum: () => tf.einsum('bij,bjk->bik', tf.ones([2, 3, 4]), tf.ones([2, 4, 5])),
  convolution: () =>
    tf.grad((x: tf.Tensor) => tf.sum(tf.conv2d(x as tf.Tensor4D, tf.ones([3, 3, 2, 4]), 2, 'same')))(
      tf.ones([1, 8, 7, 2]),
    ),
  depthwise: () =>
    tf.grad((x: tf.Tensor) => tf.sum(tf.depthwiseConv2d(x as tf.Tensor4D, tf.ones([3, 3, 2, 2]), 1, 'same')))(
      tf.ones([1, 5, 5, 2]),
    ),
  pooling: () =>
    tf.grad((x: tf.Tensor) => tf.sum(tf.maxPool(tf.avgPool(x as tf.Tensor4D, 3, 1, 'same'), 2, 2, 'same')))(
      tf.ones([1, 5, 5, 2]),
    ),
  views: () => tf.reverse(tf.transpose(tf.reshape(tf.range(0, 24), [2, 3, 4]), [2, 0, 1]), 1),
  parts: () => [
    ...tf.split(tf.ones([6, 2]), 3),
    ...tf.unstack(tf.ones([3, 2])),
    tf.slice(tf.ones([5]), 1, 2),
  ],
  joins: () => [tf.concat([tf.ones([2, 2]), tf.zeros([1, 2])]), tf.stack([tf.ones([2]), tf.zeros([2])])],
  borders: () =>
    tf.mirrorPad(
      tf.pad(tf.ones([3, 3]), [
        [1, 1],
        [0, 2],
      ]),
      [
        [1, 1],
        [1, 1],
      ],
      'reflect',
    ),
  gather: () =>
    tf.grad((x: tf.Tensor) => tf.sum(tf.gather(x, tf.tensor1d([2, 0, 2], 'int32'))))(tf.ones([4, 3])),
  scatter: () => tf.scatterND(tf.tensor2d([[1], [3]], [2, 1], 'int32'), tf.ones([2, 2]), [5, 2]),
  selection: () => {
    const { values, indices } = tf.topk(tf.tensor1d([1, 5, 3]), 2);
    return [values, indices, tf.oneHot(tf.tensor1d([0, 2], 'int32'), 3)];
  },
  softmax: () => tf.grad((x: tf.Tensor) => tf.sum(tf.logSoftmax(x)))(tf.ones([2, 5])),
  'batch norm': () => tf.batchNorm(tf.ones([2, 3]), tf.zeros([3]), tf.ones([3]), tf.ones([3]), tf.ones([3])),
  resize: () => tf.image.resizeBilinear(tf.ones([1, 4, 4, 2]) as tf.Tensor4D, [6, 5]),
  complex: () => tf.abs(tf.ifft(tf.fft(tf.complex(tf.ones([4]), tf.zeros([4]))))),
  host: () => tf.unique(tf.tensor1d([3, 1, 3])).values,
  'host with strings': () => tf.concat([tf.tensor1d(['a']), tf.tensor1d(['b'])]),
};

describeOnTorch('handles', () => {
  it.each(Object.entries(OPERATIONS))('%s leaves none behind', (_, run) => {
    tf.dispose(tf.tidy(run));
    const before = torchMemory();
    for (let i = 0; i < 3; i += 1) tf.dispose(tf.tidy(run));
    const after = torchMemory();
    expect(after.handles).toBe(before.handles);
    expect(after.bytesHeld).toBe(before.bytesHeld);
    expect(after.numTensors).toBe(before.numTensors);
    expect(after.numDataBuffers).toBe(before.numDataBuffers);
  });

  it('are exactly those of the results that are kept', () => {
    const before = torchMemory();
    const kept = tf.tidy(() => tf.softmax(tf.matMul(tf.ones([4, 3]), tf.ones([3, 5]))));
    const after = torchMemory();
    expect(after.handles - before.handles).toBe(1);
    // 4 x 5 float32 values
    expect(after.bytesHeld - before.bytesHeld).toBe(80);
    kept.dispose();
    expect(torchMemory().handles).toBe(before.handles);
  });

  it('a small slice does not keep the large tensor alive', () => {
    const before = torchMemory().bytesHeld;
    const part = tf.tidy(() => tf.slice(tf.ones([1000, 8]), [3, 0], [1, 8]));
    expect(torchMemory().bytesHeld - before).toBe(32);
    part.dispose();
  });

  it('a kernel that throws in the middle leaves nothing, not even outputs it had made', () => {
    registerTorchKernel('TestFailing', ({ torch }) => {
      const big = torch.aten('ones', [100], 6);
      const first = torch.output(torch.aten('neg', big), [100]);
      torch.outputFrom(new Float32Array(3), [3], 'float32');
      torch.aten('mm', big, big);
      return first;
    });
    const before = torchMemory();
    const dataIds = torchBackend().numDataIds();
    for (let i = 0; i < 5; i += 1) {
      expect(() => tf.engine().runKernel('TestFailing', {})).toThrow('torch mm');
    }
    expect(torchMemory().handles).toBe(before.handles);
    expect(torchMemory().bytesHeld).toBe(before.bytesHeld);
    expect(torchBackend().numDataIds()).toBe(dataIds);
  });

  it('a kernel that returns its own input, or one tensor twice, shares no handle', () => {
    registerTorchKernel<{ x: tf.TensorInfo }>('TestEcho', ({ inputs: { x }, torch }) => {
      const value = torch.tensorOf(x);
      return [torch.output(value, x.shape), torch.output(value, x.shape)];
    });
    const before = torchMemory().handles;
    const x = tf.tensor1d([1, 2, 3]);
    const [a, b] = tf.engine().runKernel('TestEcho', { x }) as [tf.Tensor, tf.Tensor];
    x.dispose();
    a.dispose();
    expect([...b.dataSync()]).toEqual([1, 2, 3]);
    b.dispose();
    expect(torchMemory().handles).toBe(before);
  });

  it('stay flat over 2,000 training steps, and so does the memory of the process', () => {
    const optimizer = tf.train.adam(0.01);
    const first = tf.variable(tf.randomNormal([16, 32], 0, 0.1, 'float32', 1), true, 'memory/first');
    const second = tf.variable(tf.randomNormal([32, 4], 0, 0.1, 'float32', 2), true, 'memory/second');
    const x = tf.randomNormal([8, 16], 0, 1, 'float32', 3);
    const step = (): void => {
      optimizer.minimize(() => {
        const hidden = tf.relu(tf.matMul(x as tf.Tensor2D, first as unknown as tf.Tensor2D));
        return tf.mean(tf.square(tf.matMul(hidden as tf.Tensor2D, second as unknown as tf.Tensor2D)));
      });
    };
    for (let i = 0; i < 200; i += 1) step();
    const before = { ...torchMemory(), rss: process.memoryUsage.rss() };
    for (let i = 0; i < 2000; i += 1) step();
    const after = { ...torchMemory(), rss: process.memoryUsage.rss() };
    expect(after.handles).toBe(before.handles);
    expect(after.numTensors).toBe(before.numTensors);
    expect(after.bytesHeld).toBe(before.bytesHeld);
    expect(after.bytesPeak).toBe(before.bytesPeak);
    // One leaked activation per step would be 2000 x 1 KiB and its DataId; the JavaScript heap breathes.
    expect(after.rss - before.rss).toBeLessThan(64 * 2 ** 20);
    optimizer.dispose();
    tf.dispose([first, second, x]);
  });
});

describeOnTorch('tf.memory', () => {
  it('counts bytes on the device, the greatest number, and what is kept for reuse', () => {
    const { native } = torchBackend().context.dispatcher;
    native.trim();
    torchBackend().resetPeak();
    const base = torchMemory();
    expect(base.bytesPeak).toBeLessThan(base.bytesHeld + (4 << 16));
    const x = tf.ones([1 << 16]);
    expect(torchMemory().bytesHeld - base.bytesHeld).toBe(4 << 16);
    x.dispose();
    const after = torchMemory();
    expect(after.bytesHeld).toBe(base.bytesHeld);
    expect(after.bytesPeak).toBeGreaterThanOrEqual(base.bytesHeld + (4 << 16));
    expect(after.bytesCached).toBe(4 << 16);
    native.trim();
    expect(torchMemory().bytesCached).toBe(0);
  });
});
