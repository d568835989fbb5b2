/** Conditions on a name (modality, task) and the fixed decisions of task-specific parameters. */
import { parseRow } from '@polygate/attributes';
import { createRandom } from '@polygate/core';
import { allocateParameters, parameterGradients } from '@polygate/nn';
import {
  conditionNamed,
  routeRows,
  describeRouters,
  type DataIndependentCondition,
  type RouterStack,
  type RoutingKey,
} from '@polygate/routers';
import { leakedTensors } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const context = { modalities: ['visual', 'text'], tasks: ['captioning', 'classification', 'retrieval'] };
const key = (modality: string, task: string): RoutingKey => ({
  attributes: parseRow('10011001'),
  modality,
  task,
});
const stackOf = (name: string, rest: Partial<RouterStack<RoutingKey>> = {}): RouterStack<RoutingKey> => ({
  condition: conditionNamed(name).create(context) as DataIndependentCondition<RoutingKey>,
  prefix: 'routers',
  sites: 2,
  width: 2,
  experts: 3,
  topK: 2,
  ...rest,
});

describe.each(['modality', 'task'])('%s condition', (name) => {
  const other = (index: number): RoutingKey =>
    name === 'task'
      ? key('visual', context.tasks[index] ?? '')
      : key(context.modalities[index] ?? '', 'captioning');

  it('looks up its row and multiplies it with the gate', () => {
    const stack = stackOf(name);
    const parameters = allocateParameters(describeRouters(stack), createRandom(1));
    const rows = name === 'task' ? 3 : 2;
    const table = new Float32Array(2 * rows * 2);
    // Site 1, second name: R = [1, 2]; all others 0.
    table.set([1, 2], (rows + 1) * 2);
    parameters.write(`routers.${name}.embedding`, table);
    const ln2 = Math.log(2);
    parameters.write(
      'routers.gate.weight',
      Float32Array.from([...new Array<number>(6).fill(0), 0, 0, ln2, 0, 0, ln2]),
    );
    const decisions = routeRows(stack, [other(0), other(1)], { parameters });
    // Logits 0, ln 2, 2 ln 2; softmax [1, 2, 4] / 7; kept 2/6 and 4/6. The first name's logits are all 0.
    expect(decisions[1]?.chosen).toEqual([
      [0, 1],
      [2, 1],
    ]);
    [0.5, 0.5, 0, 0, 1 / 3, 2 / 3].forEach((g, i) => expect(decisions[1]?.values[i]).toBeCloseTo(g, 6));
    expect(decisions[0]?.chosen).toEqual([
      [0, 1],
      [0, 1],
    ]);
    tf.dispose(decisions.map(({ gates }) => gates));
    parameters.dispose();
  });

  it('depends on nothing else of the key', () => {
    const { keyOf } = stackOf(name).condition;
    const plain = other(0);
    const changed = {
      ...plain,
      attributes: parseRow('11010111'),
      [name === 'task' ? 'modality' : 'task']: 'x',
    };
    expect(keyOf(changed)).toBe(keyOf(plain));
    expect(keyOf(other(1))).not.toBe(keyOf(plain));
  });

  it('has the gradient of its own central differences', () => {
    const stack = stackOf(name, { width: 3, experts: 4 });
    const parameters = allocateParameters(describeRouters(stack), createRandom(3));
    const weigher = createRandom(4);
    const factors = tf.tensor(
      Array.from({ length: 16 }, () => weigher.normal()),
      [2, 2, 4],
    );
    const evaluate = (): tf.Scalar =>
      tf.tidy(() =>
        tf
          .stack(routeRows(stack, [other(1), other(0)], { parameters }).map(({ gates }) => gates))
          .mul(factors)
          .sum(),
      );
    const { loss, gradients } = parameterGradients(parameters, evaluate);
    for (const { name: parameter, variable } of parameters.entries()) {
      const start = Float32Array.from(variable.dataSync());
      const gradient = gradients[parameter]?.dataSync() ?? [];
      start.forEach((_, i) => {
        const at = (delta: number): number => {
          const moved = start.slice();
          moved[i] = (moved[i] ?? 0) + delta;
          parameters.write(parameter, moved);
          const value = evaluate();
          const [result = NaN] = value.dataSync();
          value.dispose();
          return result;
        };
        const step = 4e-3;
        expect(
          Math.abs((gradient[i] ?? NaN) - (at(step) - at(-step)) / (2 * step)),
          `${parameter}[${i}]`,
        ).toBeLessThan(2e-3);
      });
      parameters.write(parameter, start);
    }
    tf.dispose([loss, factors]);
    tf.dispose(gradients);
    parameters.dispose();
  });

  it('names what it does not know', () => {
    const stack = stackOf(name);
    const parameters = allocateParameters(describeRouters(stack), createRandom(1));
    const listed = name === 'task' ? 'captioning, classification, retrieval' : 'text, visual';
    expect(() => routeRows(stack, [key('audio', 'audio')], { parameters })).toThrow(
      `unknown ${name} "audio": known: ${listed}`,
    );
    parameters.dispose();
  });
});

describe('task-specific condition', () => {
  const stack = stackOf('task-specific', { topK: 1 });

  it('gives task t expert t with gate 1, at every site, and has no parameters', () => {
    expect(describeRouters(stack)).toEqual([]);
    const parameters = allocateParameters([], createRandom(1));
    const rows = [key('text', 'retrieval'), key('visual', 'captioning')];
    const left = leakedTensors(() => {
      const decisions = routeRows(stack, rows, { parameters, training: true });
      expect(decisions).toHaveLength(2);
      for (const { gates, chosen, values } of decisions) {
        expect(chosen).toEqual([[2], [0]]);
        expect([...gates.dataSync()]).toEqual([0, 0, 1, 1, 0, 0]);
        expect([...values]).toEqual([0, 0, 1, 1, 0, 0]);
        gates.dispose();
      }
    });
    expect(left).toEqual({ tensors: 0, buffers: 0 });
    expect(() => routeRows(stack, [key('text', 'captoning')], { parameters })).toThrow(
      'unknown task "captoning": did you mean "captioning"? known: captioning, classification, retrieval',
    );
    parameters.dispose();
  });

  it('refuses other numbers of experts, and top-2', () => {
    expect(() => describeRouters({ ...stack, experts: 8 })).toThrow(
      'task-specific condition: expected 3 experts and topK 1 (one expert for each of its rows), got 8 experts and topK 1; set experts to 3 and topK to 1',
    );
    expect(() => describeRouters({ ...stack, topK: 2 })).toThrow('got 3 experts and topK 2');
  });
});

it('needs names where a condition looks at them', () => {
  const nothing = { modalities: [], tasks: ['a', 'a'] };
  expect(() => conditionNamed('modality').create(nothing)).toThrow(
    'modality condition: expected the distinct names of at least one modality, got []; list every modality that the model meets',
  );
  for (const name of ['task', 'task-specific']) {
    expect(() => conditionNamed(name).create(nothing)).toThrow(
      `${name} condition: expected the distinct names of at least one task, got [a, a]`,
    );
  }
});
