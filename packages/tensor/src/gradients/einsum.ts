/**
 * Gradient of Einsum with one or two operands: the gradient of an operand contracts dy with the other operand over the
 * labels that the operand does not have; labels that only this operand had are repeated.
 *   y = einsum('A,B->O', a, b):  da = einsum('O,B->A', dy, b).
 */
import * as tf from '@tensorflow/tfjs';
import { present } from '../dispatch.ts';
import { gradientConfig } from './config.ts';

interface Operand {
  readonly labels: string;
  readonly tensor: tf.Tensor;
}

const contract = (first: Operand, second: Operand | undefined, labels: string): tf.Tensor => {
  if (!second)
    return labels === first.labels ? first.tensor : tf.einsum(`${first.labels}->${labels}`, first.tensor);
  if (first.labels === '') return tf.mul(contract(second, undefined, labels), first.tensor);
  if (second.labels === '') return tf.mul(contract(first, undefined, labels), second.tensor);
  return tf.einsum(`${first.labels},${second.labels}->${labels}`, first.tensor, second.tensor);
};

/** Gradient of the operand `own`; `other` is the second operand, if any. */
const operandGradient = (output: Operand, operand: Operand, other: Operand | undefined): tf.Tensor => {
  const reachable = [...operand.labels].filter(
    (label) => output.labels.includes(label) || other?.labels.includes(label),
  );
  const core = contract(output, other, reachable.join(''));
  const sizes = [...operand.labels].map((label, axis) => ({
    kept: reachable.includes(label),
    size: present(operand.tensor.shape[axis]),
  }));
  const spread = tf.reshape(
    core,
    sizes.map(({ kept, size }) => (kept ? size : 1)),
  );
  return sizes.every(({ kept }) => kept)
    ? spread
    : tf.tile(
        spread,
        sizes.map(({ kept, size }) => (kept ? 1 : size)),
      );
};

const einsum = gradientConfig('Einsum', { allInputs: true }, ([dy], saved, attributes) => {
  const equation = (attributes as unknown as { equation: string }).equation.replaceAll(' ', '');
  const [left = '', labels = ''] = equation.split('->');
  const operands = left.split(',').map((axes, at) => ({ labels: axes, tensor: present(saved[at]) }));
  const output = { labels, tensor: present(dy) };
  return Object.fromEntries(
    operands.map((operand, at) => [String(at), () => operandGradient(output, operand, operands[1 - at])]),
  );
});

export const einsumGradients: readonly tf.GradConfig[] = [einsum];
