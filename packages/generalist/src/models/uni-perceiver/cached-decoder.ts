/**
 * Decoding with a cache of keys and values: the start is encoded once, then each step computes the token that every text
 * got last and the query behind it, two positions a text (Uni-Perceiver-MoE, section 4 of its captioner: the published one
 * feeds them one after another).
 *
 * I samples · K texts of a sample · L new positions: K tokens, then K queries · P positions that were kept
 */
import { StateError } from '@polygate/core';
import { KeyValueCache, type EncoderAdapter, type SequenceContinuation } from '@polygate/encoder';
import { textSegment } from '@polygate/modalities';
import type { DecoderOptions, TextDecoder, TextRow, TextStart } from '@polygate/tasks';
import { embedding, exactLinear } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import type { ComparingModel } from './comparing-model.ts';
import { encodeCandidates } from './features.ts';
import { temperatureFactor } from './temperature.ts';

/** Kept positions of a text, one for each of its tokens. */
type Trail = readonly number[];

const keyOf = (tokens: readonly number[]): string => tokens.join(',');

const refuse = (expected: string, got: string): never => {
  throw new StateError(`decoder: expected ${expected}, got ${got}`);
};

/** The texts of the samples of one step, K places each. */
interface Step {
  /** Texts by sample. */
  readonly groups: readonly (readonly TextRow[])[];
  /** K */
  readonly texts: number;
  /** Tokens of each text. */
  readonly written: number;
}

/** Owns the cache and, where candidates are not the model's own whole set, their features. */
export class CachedDecoder implements TextDecoder {
  readonly #model: ComparingModel;
  readonly #start: TextStart;
  readonly #task: string | undefined;
  readonly #cache = new KeyValueCache();
  /** Numbers of the samples in the cache, in its order. */
  #samples: number[];
  /** Trails of the texts that were asked about last, by sample. */
  #trails = new Map<number, ReadonlyMap<string, Trail>>();
  #written = -1;
  #candidates: tf.Tensor2D | undefined;

  constructor(model: ComparingModel, start: TextStart, { task }: DecoderOptions = {}) {
    this.#model = model;
    this.#start = start;
    this.#task = task ?? start.inputs.task;
    this.#samples = Array.from({ length: start.inputs.size }, (_, i) => i);
  }

  async next(rows: readonly TextRow[]): Promise<Float32Array> {
    const step = this.#stepOf(rows);
    this.#goOnWith(step);
    // Outside the tidy: features that are encoded for the model's cache outlive this call.
    const candidates = this.#features();
    const logps = tf.tidy(() => {
      // Float32 in every precision: cosines that are rounded to bf16 tie where the features do not.
      const cosines = exactLinear(this.#encode(step), candidates);
      return tf.logSoftmax(tf.mul(cosines, temperatureFactor(this.#model, this.#start.temperature)));
    });
    try {
      return (await logps.data()) as Float32Array;
    } finally {
      logps.dispose();
    }
  }

  [Symbol.dispose](): void {
    this.#cache.dispose();
    this.#candidates?.dispose();
  }

  get #adapted(): { readonly adapter?: EncoderAdapter } {
    const { adapter } = this.#model;
    return adapter ? { adapter: adapter.encoder } : {};
  }

  #stepOf(rows: readonly TextRow[]): Step {
    const bySample = new Map<number, TextRow[]>();
    const written = rows[0]?.tokens.length ?? 0;
    if (written !== this.#written + 1) refuse(`texts of ${this.#written + 1} tokens`, `one of ${written}`);
    for (const row of rows) {
      if (row.tokens.length !== written) refuse(`texts of ${written} tokens`, `one of ${row.tokens.length}`);
      const group = bySample.get(row.item);
      if (group) group.push(row);
      else bySample.set(row.item, [row]);
    }
    const groups = [...bySample.values()];
    return { groups, texts: Math.max(...groups.map(({ length }) => length)), written };
  }

  /** Encodes the start, or leaves the samples that nobody asks about any more. */
  #goOnWith({ groups }: Step): void {
    const samples = groups.map(([row]) => (row as TextRow).item);
    if (this.#cache.isEmpty) {
      const { inputs } = this.#start;
      const batch = this.#task === undefined ? inputs : { ...inputs, task: this.#task };
      this.#model.encoder.encode(batch, { cache: this.#cache, ...this.#adapted }).dispose();
    }
    const places = samples.map((sample) => this.#samples.indexOf(sample));
    const lost = places.indexOf(-1);
    if (lost >= 0) refuse('samples that were asked about in every call', `sample ${samples[lost]}`);
    this.#cache.take(places);
    this.#samples = samples;
  }

  /** Features of the queries, [rows, D]. Call it inside a tidy. */
  #encode(step: Step): tf.Tensor2D {
    const { encoder } = this.#model;
    const { groups, texts, written } = step;
    const batch = this.#continuation(step);
    // Queries stand behind all tokens.
    const first = written > 0 ? texts : 0;
    const places = groups.flatMap((group, i) => group.map((_, k) => i * batch.length + first + k));
    const hidden = encoder.extend(batch, this.#cache, this.#adapted);
    this.#written = written;
    const [size, length, width] = hidden.shape;
    const flat = tf.reshape(hidden, [size * length, width]) as tf.Tensor2D;
    const queries = embedding(flat, tf.tensor1d(Int32Array.from(places), 'int32')) as tf.Tensor2D;
    return encoder.project(queries, this.#adapted);
  }

  #continuation({ groups, texts, written }: Step): SequenceContinuation {
    const { row, queryToken } = this.#start;
    const { kept } = this.#cache;
    const size = groups.length;
    const tokens = written > 0 ? texts : 0;
    const length = tokens + texts;
    const columns = kept + length;
    const ids = new Int32Array(size * length).fill(queryToken);
    const visibility = new Uint8Array(size * length * columns);
    const trails = new Map<number, Map<string, Trail>>();
    for (const [i, group] of groups.entries()) {
      const { item } = group[0] as TextRow;
      const before = this.#trails.get(item);
      const itemTrails = new Map<string, Trail>();
      // Samples with fewer texts than others repeat their first; nobody asks at the copy.
      for (let k = 0; k < texts; k += 1) {
        const text = (group[k] ?? group[0]) as TextRow;
        const parent = written > 1 ? before?.get(keyOf(text.tokens.slice(0, -1))) : [];
        if (!parent) {
          throw new StateError(
            `decoder: expected a text that goes on from one of the call before, got tokens ${keyOf(text.tokens)} of sample ${item}`,
          );
        }
        const trail = written > 0 ? [...parent, kept + k] : [];
        if (k < group.length) itemTrails.set(keyOf(text.tokens), trail);
        if (written > 0) ids[i * length + k] = text.tokens[written - 1] as number;
        const flags = (position: number): Uint8Array =>
          visibility.subarray((i * length + position) * columns, (i * length + position + 1) * columns);
        const query = flags(tokens + k);
        for (const at of trail) query[at] = 1;
        query[kept + tokens + k] = 1;
        if (written > 0) for (const at of trail) flags(k)[at] = 1;
      }
      trails.set(item, itemTrails);
    }
    this.#trails = trails;
    const positions = Int32Array.from({ length }, (_, i) => (i < tokens ? written - 1 : written));
    return {
      size,
      ...(this.#task === undefined ? {} : { task: this.#task }),
      segments: [textSegment({ ids, length, positions }, row)],
      length,
      visibility,
      keep: tokens,
    };
  }

  /** Features of the candidates; those of a whole set are the model's own. */
  #features(): tf.Tensor2D {
    const { targets } = this.#start;
    if (targets.whole) return this.#model.candidateFeatures(targets, this.#task);
    this.#candidates ??= encodeCandidates(this.#model, targets.sequences, { task: this.#task });
    return this.#candidates;
  }
}
