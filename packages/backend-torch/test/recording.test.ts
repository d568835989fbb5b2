/** Recorded functions against the functions themselves: equal bits, no memory left, and what is refused. */
import * as tf from '@tensorflow/tfjs';
import { expect, it, vi } from 'vitest';
import type { Recording } from '@polygate/backend-torch';
import { cases, make } from './fused-cases.ts';
import { describeOnTorch, torchBackend, torchMemory } from './torch-suite.ts';

const numbers = (size: number, phase: number): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * phase));

const inputOf = (shape: readonly number[], phase: number): tf.Tensor =>
  tf.tensor(
    numbers(
      shape.reduce((product, size) => product * size, 1),
      phase,
    ),
    [...shape],
  );

const bitsOf = (tensors: readonly tf.Tensor[]): number[][] =>
  tensors.map((tensor) => {
    const values = tensor.dataSync();
    return values instanceof Float32Array ? [...new Uint32Array(values.slice().buffer)] : [...values];
  });

/** The recording of a function that can be recorded, and its results. */
const record = (
  fn: (...inputs: tf.Tensor[]) => tf.Tensor[],
  inputs: readonly tf.Tensor[],
): { readonly recording: Recording; readonly results: readonly tf.Tensor[] } => {
  const { recording, refusal, results } = torchBackend().record(fn, inputs);
  if (!recording) throw refusal ?? new Error('neither a recording nor a reason');
  return { recording, results };
};

const labels = (): tf.Tensor1D => tf.tensor1d([0, 2, 1, 2], 'int32');

/** Convolution, gather, softmax, products, segment sums: [4, 6, 6, 2] and [3, 32] to logits, with all gradients. */
const network = (ids: tf.Tensor1D, filter: tf.Variable) => {
  const forward = (x: tf.Tensor, weight: tf.Tensor, kernel: tf.Tensor): tf.Tensor => {
    const convolved = tf.relu(tf.conv2d(x as tf.Tensor4D, kernel as tf.Tensor4D, 2, 'same'));
    const rows = tf.reshape(convolved, [4, 27]);
    const table = tf.gather(tf.matMul(rows as tf.Tensor2D, weight as tf.Tensor2D, false, true), ids);
    return tf.softmax(table);
  };
  return (x: tf.Tensor, weight: tf.Tensor, dy: tf.Tensor): tf.Tensor[] => {
    const { value, grads } = tf.valueAndGrads(forward)([x, weight, filter], dy);
    return [value, ...grads, tf.unsortedSegmentSum(value, ids, 3)];
  };
};

const SHAPES = [
  [4, 6, 6, 2],
  [5, 27],
  [4, 5],
] as const;

/** Runs a fused kernel's case and tells which host values it made tensors of. */
const uploadsOf = (
  run: () => tf.Tensor[],
): { readonly results: tf.Tensor[]; readonly uploads: tf.Tensor[] } => {
  const write = vi.spyOn(torchBackend(), 'write');
  const results = run();
  const given = [...write.mock.calls];
  write.mockRestore();
  const uploads = given.map(([values, shape, dtype]) => tf.tensor(values as Float32Array, shape, dtype));
  return { results, uploads };
};

/** What an operator tells JavaScript of the values of its inputs steers these: they hold for such inputs alone. */
const steered = /token choice|router/u;

for (const precision of ['f32', 'bf16'] as const) {
  describeOnTorch(
    `recorded functions in ${precision}`,
    () => {
      it('give the bits of a network and its gradients, for other inputs too', () => {
        const filter = tf.variable(inputOf([3, 3, 2, 3], 9));
        const ids = labels();
        const fn = network(ids, filter);
        const first = SHAPES.map((shape, at) => inputOf(shape, at));
        tf.dispose(tf.tidy(() => fn(...(first as [tf.Tensor, tf.Tensor, tf.Tensor]))));
        const { recording, results } = record(fn as never, first);
        expect(recording.calls).toBeGreaterThan(20);
        for (const phase of [0, 5]) {
          const inputs = SHAPES.map((shape, at) => inputOf(shape, at + phase));
          const plain = tf.tidy(() => fn(...(inputs as [tf.Tensor, tf.Tensor, tf.Tensor])));
          const again = recording.run(inputs);
          expect(bitsOf(again)).toEqual(bitsOf(plain));
          expect(again.map(({ shape }) => shape)).toEqual(plain.map(({ shape }) => shape));
          if (phase > 0) expect(bitsOf(again)).not.toEqual(bitsOf(results));
          tf.dispose([inputs, plain, again]);
        }
        // The next run sees what was written into a variable.
        const { context } = torchBackend();
        context.runKernel(() => context.aten('mul_.Scalar', context.storedTensorOf(filter), 0.5));
        const plain = tf.tidy(() => fn(...(first as [tf.Tensor, tf.Tensor, tf.Tensor])));
        const again = recording.run(first);
        expect(bitsOf(again)).toEqual(bitsOf(plain));
        expect(bitsOf(again)).not.toEqual(bitsOf(results));
        tf.dispose([plain, again]);
        recording.dispose();
        tf.dispose([first, [...results], filter, ids]);
      });

      it.each(Object.entries(cases).filter(([name]) => !steered.test(name)))(
        'give the bits of %s for other inputs',
        (_, run) => {
          const first = uploadsOf(run);
          const backend = torchBackend();
          const { recording, refusal, results } = backend.record(() => backend.uploadInputs(run), []);
          expect(refusal?.message).toBeUndefined();
          const other = uploadsOf(run);
          const twin = backend.record(() => backend.uploadInputs(run), []);
          expect(twin.recording?.digest).toBe(recording?.digest);
          twin.recording?.dispose();
          const again = (recording as Recording).run(other.uploads);
          expect(bitsOf(again)).toEqual(bitsOf(other.results));
          recording?.dispose();
          tf.dispose([
            first.results,
            first.uploads,
            [...results, ...twin.results],
            other.results,
            other.uploads,
            again,
          ]);
        },
      );
    },
    { precision },
  );
}

describeOnTorch('recordings', () => {
  it('leave no memory behind', () => {
    const filter = tf.variable(inputOf([3, 3, 2, 3], 9));
    const ids = labels();
    const inputs = SHAPES.map((shape, at) => inputOf(shape, at));
    const start = torchMemory();
    const { recording, results } = record(network(ids, filter) as never, inputs);
    tf.dispose([...results]);
    tf.dispose(recording.run(inputs));
    const before = torchMemory();
    expect([before.numTensors, before.handles]).toEqual([start.numTensors, start.handles]);
    for (let i = 0; i < 100; i += 1) tf.dispose(recording.run(inputs));
    const after = torchMemory();
    expect([after.numTensors, after.numDataBuffers, after.handles, after.bytesHeld]).toEqual([
      before.numTensors,
      before.numDataBuffers,
      before.handles,
      before.bytesHeld,
    ]);
    recording.dispose();
    recording.dispose();
    expect(() => recording.run(inputs)).toThrow('expected a live one, got one that was disposed');
    tf.dispose([inputs, filter, ids]);
  });

  it('free tensors after their last use, also where the function keeps them to its end', () => {
    const [x, input] = [inputOf([256, 256], 1), inputOf([256, 256], 2)];
    const { recording, results } = record(
      (given) => {
        let y = given as tf.Tensor;
        for (let i = 0; i < 8; i += 1) y = tf.add(y, x);
        return [y];
      },
      [input],
    );
    torchBackend().resetPeak();
    const held = torchMemory().bytesHeld;
    const again = recording.run([input]);
    // The sum and the one that is being made: two matrices of 256 x 256 float32 at once, not eight.
    expect(torchMemory().bytesPeak - held).toBeLessThan(3 * 256 * 256 * 4);
    tf.dispose([[...results], again, input, x]);
    recording.dispose();
  });

  it('refuse inputs of another shape, type or number', () => {
    const { recording, results } = record((x) => [tf.square(x as tf.Tensor)], [inputOf([2, 3], 1)]);
    const [other, whole] = [inputOf([3, 2], 1), tf.ones([2, 3], 'int32')];
    expect(() => recording.run([other])).toThrow(
      'input 0: expected Float [2, 3] with strides [3, 1], got Float [3, 2]',
    );
    expect(() => recording.run([whole])).toThrow('got Int [2, 3]');
    expect(() => recording.run([])).toThrow('expected 1 inputs, got 0');
    recording.dispose();
    tf.dispose([[...results], other, whole]);
  });

  it('do not hold when a variable was given another tensor', () => {
    const weight = tf.variable(inputOf([3], 1));
    const kept = tf.clone(weight);
    const x = inputOf([3], 2);
    const { recording, results } = record((given) => [tf.mul(given as tf.Tensor, weight)], [x]);
    // The old tensor lives on in its clone: the binding alone would not notice.
    const next = inputOf([3], 3);
    weight.assign(next);
    expect(() => recording.run([x])).toThrow('a variable was given another tensor; record anew');
    recording.dispose();
    tf.dispose([[...results], weight, kept, next, x]);
  });

  it('do not hold when a tensor from before was freed', () => {
    const [weight, x] = [inputOf([3], 1), inputOf([3], 2)];
    const { recording, results } = record((given) => [tf.mul(given as tf.Tensor, weight)], [x]);
    weight.dispose();
    const inItsPlace = inputOf([3], 4);
    expect(() => recording.run([x])).toThrow('a tensor of sizes [3] from before it was replaced or freed');
    recording.dispose();
    tf.dispose([[...results], inItsPlace, x]);
  });

  it('do not hold when an operator tells otherwise', () => {
    const table = inputOf([4, 2], 1);
    const good = tf.tensor1d([3, 0], 'int32');
    const bad = tf.tensor1d([3, 4], 'int32');
    const { recording, results } = record((ids) => [tf.gather(table, ids as tf.Tensor1D)], [good]);
    expect(() => recording.run([bad])).toThrow('aten::is_nonzero gave 1 in place of 0');
    expect(bitsOf(recording.run([good]))).toEqual(bitsOf(results));
    recording.dispose();
    tf.dispose([[...results], table, good, bad]);
  });

  const refusalOf = (fn: (x: tf.Tensor) => tf.Tensor[]): string => {
    const x = inputOf([2], 1);
    const { recording, refusal, results } = torchBackend().record(fn as never, [x]);
    expect(recording).toBeUndefined();
    expect(refusal?.code).toBe('not-recordable');
    // It was computed all the same.
    expect(results[0]?.shape).toEqual([2]);
    tf.dispose([[...results], x]);
    return refusal?.message ?? '';
  };

  it('tell functions apart by their operators and numbers', () => {
    const x = inputOf([4], 1);
    const digestOf = (fn: (given: tf.Tensor) => tf.Tensor): number => {
      const { recording, results } = record((given) => [fn(given as tf.Tensor)], [x]);
      recording.dispose();
      tf.dispose([...results]);
      return recording.digest;
    };
    const digests = [
      digestOf((given) => tf.mul(given, 3)),
      digestOf((given) => tf.mul(given, 3.25)),
      digestOf((given) => tf.add(given, 3)),
      digestOf((given) => tf.slice(given, 1, 2)),
      digestOf((given) => tf.slice(given, 2, 2)),
      digestOf((given) => tf.clipByValue(given, 0, 0.5)),
      digestOf((given) => tf.clipByValue(given, 0, 0.25)),
    ];
    expect(new Set(digests).size).toBe(digests.length);
    expect(digestOf((given) => tf.mul(given, 3))).toBe(digests[0]);
    x.dispose();
  });

  it('are refused for an upload that nobody declared, naming the line', () => {
    const why = refusalOf((x) => [tf.add(x, tf.tensor1d([1, 2]))]);
    expect(why).toContain('host values of shape [2] become a tensor at');
    expect(why).toContain('recording.test.ts');
    // Single numbers are constants.
    const x = inputOf([2], 1);
    const { recording, results } = record((given) => [tf.mul(given as tf.Tensor, 3)], [x]);
    tf.dispose([[...results], x]);
    recording.dispose();
  });

  it('are refused for a read, naming the line', () => {
    const why = refusalOf((x) => [tf.mul(x, x.dataSync()[0] ?? 0)]);
    expect(why).toContain('a tensor is read at');
    expect(why).toContain('recording.test.ts');
  });

  it('are refused for a tensor that is kept, and for one that is freed', () => {
    let kept: tf.Tensor | undefined;
    const why = refusalOf((x) => {
      kept = tf.keep(tf.exp(x));
      return [tf.square(kept)];
    });
    expect(why).toContain('the result of aten::exp, of sizes [2], is kept without being a result');
    kept?.dispose();
    const before = inputOf([2], 3);
    expect(
      refusalOf((x) => {
        const sum = tf.add(x, before);
        before.dispose();
        return [sum];
      }),
    ).toContain('a tensor from before was freed');
  });

  it('end with a function that throws', () => {
    const x = inputOf([2], 1);
    const before = torchMemory().handles;
    expect(() =>
      torchBackend().record(
        (given) => {
          tf.exp(given as tf.Tensor);
          throw new Error('in the middle');
        },
        [x],
      ),
    ).toThrow('in the middle');
    expect(torchMemory().handles).toBe(before);
    const { recording, results } = record((given) => [tf.exp(given as tf.Tensor)], [x]);
    expect(() => torchBackend().record(() => [tf.add(make(2), x)], [x, x])).toThrow('got one twice');
    recording.dispose();
    tf.dispose([[...results], x]);
  });
});
