/**
 * Keys and values that the positions of sequences left in every block, so that later positions are computed alone. They are
 * of two kinds: those of the start, which all later positions see, and those that later ones added, of which a position sees
 * what its continuation says. Nothing is taken out when a text is given up: a mask leaves it unseen.
 *
 * B sequences · H positions of the start, deep prompts included · P later ones · h heads · d width of a head
 */
import { StateError } from '@polygate/core';
import type { KeysAndValues } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';

/** What a block keeps: the start, [B, h, H, d], and later positions, [B, h, P, d]. */
export interface BlockKeys {
  readonly start: KeysAndValues;
  readonly later?: KeysAndValues | undefined;
}

const tensorsOf = ({ start, later }: BlockKeys): readonly tf.Tensor[] =>
  [start.keys, start.values, start.mask, later?.keys, later?.values].filter((tensor) => tensor !== undefined);

/** The same of other tensors. */
const mapTensors = (
  { keys, values, mask }: KeysAndValues,
  map: (tensor: tf.Tensor4D) => tf.Tensor4D,
): KeysAndValues => ({ keys: map(keys), values: map(values), mask: mask && map(mask) });

const keep = (part: KeysAndValues): KeysAndValues => mapTensors(part, (tensor) => tf.keep(tensor));

/**
 * Filled by an encoder: give an empty one to `encode`, then call `extend`. It belongs to the caller, holds for the weights
 * that it was filled with, and owns its tensors until `dispose`.
 */
export class KeyValueCache implements Disposable {
  #blocks: readonly BlockKeys[] = [];
  #disposed = false;

  /** B, sequences; 0 before it is filled. */
  get size(): number {
    return this.#blocks[0]?.start.keys.shape[0] ?? 0;
  }

  /** P, positions that were kept behind the start. */
  get kept(): number {
    return this.#blocks[0]?.later?.keys.shape[2] ?? 0;
  }

  /** Whether nothing was encoded into it yet. */
  get isEmpty(): boolean {
    return this.#blocks.length === 0;
  }

  /** Bytes of all tensors, at four a value. */
  get bytes(): number {
    return 4 * this.#blocks.flatMap(tensorsOf).reduce((sum, { size }) => sum + size, 0);
  }

  /** @throws StateError where it is not as an encoder needs it */
  require(state: 'empty' | 'filled'): void {
    if (this.#disposed) {
      throw new StateError(
        'key-value cache: expected a live cache, got one that was disposed; make a new one',
      );
    }
    if (this.isEmpty === (state === 'empty')) return;
    throw new StateError(
      state === 'empty'
        ? `encode: expected an empty key-value cache, got one of ${this.size} sequences; go on with extend, or make a new one`
        : 'extend: expected a key-value cache with a start, got an empty one; encode the start with it first',
    );
  }

  /** What a block keeps; borrowed. For encoders. */
  block(index: number): BlockKeys {
    return this.#blocks[index] as BlockKeys;
  }

  /** Takes over the start of all blocks. For encoders. */
  begin(blocks: readonly KeysAndValues[]): void {
    this.#blocks = blocks.map((start) => ({ start: keep(start) }));
  }

  /** Takes over the later positions of all blocks, in place of those before. For encoders. */
  replaceLater(blocks: readonly KeysAndValues[]): void {
    this.#blocks = this.#blocks.map(({ start, later }, index) => {
      tf.dispose(later ? [later.keys, later.values] : []);
      return { start, later: keep(blocks[index] as KeysAndValues) };
    });
  }

  /** Goes on with some of the sequences alone, in the order given. @param rows their numbers, each below `size` */
  take(rows: readonly number[]): void {
    this.require('filled');
    const { size } = this;
    if (rows.length === size && rows.every((row, i) => row === i)) return;
    const bad = rows.find((row) => !(row >= 0 && row < size));
    if (bad !== undefined || rows.length === 0) {
      throw new StateError(
        `key-value cache: expected one row or more below ${size}, got ${bad ?? 'none'}; dispose of it when nothing is left`,
      );
    }
    const indices = tf.tensor1d(Int32Array.from(rows), 'int32');
    const taken = (tensor: tf.Tensor4D): tf.Tensor4D => {
      const chosen = tf.gather(tensor, indices);
      tensor.dispose();
      return tf.keep(chosen);
    };
    this.#blocks = this.#blocks.map(({ start, later }) => ({
      start: mapTensors(start, taken),
      later: later && mapTensors(later, taken),
    }));
    indices.dispose();
  }

  dispose(): void {
    this.#disposed = true;
    tf.dispose(this.#blocks.flatMap(tensorsOf));
    this.#blocks = [];
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
