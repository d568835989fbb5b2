/**
 * A model of another package: the mean of a row's patches or token embeddings, one hidden layer with batch norm, and a head
 * for each task, by name. It is trained by cross-entropy over classes, by flags of several labels, or by regression.
 *
 * A recipe asks for it by `extensions: ["./toy-model.mjs"]` and `model: { architecture: "toy-pooled" }`. The record says what
 * recipes and config.json may hold and how large a model is; an instance gives losses to training and scores to evaluation
 * and predictions. B rows · N patches · P values of a patch · L tokens · W width · C outputs of a head.
 */
import { ConfigError } from '@polygate/core';
import { registerModel, requireLoss } from '@polygate/generalist';
import { resolveImageInput } from '@polygate/modalities';
import { allocateParameters, sizeOf } from '@polygate/nn';
import { segmentRows, vocabularyCandidates } from '@polygate/tasks';
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';

const NAME = 'toy-pooled';
/** Share of a batch in the running mean and variance of batch norm. */
const MOMENTUM = 0.1;
const EPSILON = 1e-5;

const pooledFields = {
  width: z.number().int().min(1).max(4096).default(32),
  patch: z.number().int().min(1).max(256).default(4),
  /** Deviation of the noise on inputs in training; an epoch that does not improve the validation halves it. */
  noise: z.number().min(0).max(1).default(0.1),
};

/** Outputs of a task's head: its classes, or one number. */
const outputsOf = ({ classes }) => classes?.length ?? 1;

const linear = (path, out, input) => [
  { name: `${path}.weight`, shape: [out, input], initializer: { kind: 'xavierUniform' }, role: 'weight' },
  { name: `${path}.bias`, shape: [out], initializer: { kind: 'zeros' }, role: 'bias' },
];

/** All parameters. No gradient reaches the running mean and variance: training writes them, checkpoints hold them. */
const specsOf = ({ pooled: { width, patch, vocabularySize }, image, tasks }) => [
  ...linear('patches', width, patch * patch * image.channels),
  { name: 'tokens', shape: [vocabularySize, width], initializer: { kind: 'normal' }, role: 'embedding' },
  { name: 'norm.scale', shape: [width], initializer: { kind: 'ones' }, role: 'norm' },
  { name: 'norm.offset', shape: [width], initializer: { kind: 'zeros' }, role: 'norm' },
  { name: 'norm.mean', shape: [width], initializer: { kind: 'zeros' }, role: 'norm' },
  { name: 'norm.variance', shape: [width], initializer: { kind: 'ones' }, role: 'norm' },
  ...linear('hidden', width, width),
  ...tasks.flatMap((task) => linear(`heads.${task.name}`, outputsOf(task), width)),
];

/** [B, L] 1 at tokens that count. */
const countedTokens = ({ size, length, keyPadding }, segment, start) =>
  Float32Array.from({ length: size * segment.length }, (_, i) => {
    const [row, token] = [Math.floor(i / segment.length), i % segment.length];
    return keyPadding?.[row * length + start + token] === 1 ? 0 : 1;
  });

class PooledModel {
  architecture = NAME;
  isExported = false;
  losses = ['cross-entropy', 'multi-label', 'regression'];
  /** Changes at ends of epochs; part of every checkpoint. */
  #pace;
  #best;

  constructor(config, { tokenizer, random }) {
    this.config = config;
    this.tokenizer = tokenizer;
    this.tasks = config.tasks ?? [];
    this.maximumTokens = config.maximumTokens ?? 50;
    this.image = resolveImageInput({ ...config.image, patch: config.pooled.patch });
    this.vocabulary = vocabularyCandidates(tokenizer, segmentRows.vocabulary);
    this.parameters = allocateParameters(specsOf(config), random);
    this.#pace = config.pooled.noise;
    this.extraState = {
      save: () => ({ pace: this.#pace, best: this.#best }),
      restore: ({ pace, best }) => {
        this.#pace = pace;
        this.#best = best;
      },
    };
  }

  #linear(x, path) {
    return tf.add(
      tf.matMul(x, this.parameters.get(`${path}.weight`), false, true),
      this.parameters.get(`${path}.bias`),
    );
  }

  /** Means of a batch's segments, added up: [B, W]. */
  #pooled(inputs) {
    let start = 1;
    const parts = inputs.segments.map((segment) => {
      const { modality, arrays, layout, length } = segment;
      start += length;
      if (modality === 'visual') {
        const patches = tf.tensor3d(arrays.patches, [inputs.size, length, layout.patchWidth]);
        return this.#linear(tf.mean(patches, 1), 'patches');
      }
      if (modality !== 'text') {
        throw new ConfigError(`${NAME}: expected segments of visual or text, got ${modality}`);
      }
      const counted = tf.tensor3d(countedTokens(inputs, segment, start - length), [inputs.size, length, 1]);
      const rows = tf.gather(
        this.parameters.get('tokens'),
        tf.tensor2d(arrays.ids, [inputs.size, length], 'int32'),
      );
      return tf.div(tf.sum(tf.mul(rows, counted), 1), tf.sum(counted, 1));
    });
    return parts.length === 1 ? parts[0] : tf.addN(parts);
  }

  /** Batch norm over the rows, by their own moments in training and by the running ones elsewhere. */
  #normalized(x, training) {
    const running = ['norm.mean', 'norm.variance'].map((name) => this.parameters.get(name));
    let [mean, variance] = running;
    if (training) {
      ({ mean, variance } = tf.moments(x, 0));
      for (const [i, moment] of [mean, variance].entries()) {
        running[i].assign(tf.add(tf.mul(running[i], 1 - MOMENTUM), tf.mul(moment, MOMENTUM)));
      }
    }
    const unit = tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, EPSILON)));
    return tf.add(tf.mul(unit, this.parameters.get('norm.scale')), this.parameters.get('norm.offset'));
  }

  /** [B, C] outputs of a task's head. */
  #outputs(inputs, task, { training = false, random } = {}) {
    if (!this.tasks.some(({ name }) => name === task)) {
      throw new ConfigError(
        `${NAME}: expected a task that has a head (${this.tasks.map(({ name }) => name).join(', ')}), got "${task}"; train it on the task`,
      );
    }
    let x = this.#normalized(this.#pooled(inputs), training);
    if (training && this.#pace > 0) {
      const noise = Float32Array.from({ length: x.size }, () => this.#pace * random.normal());
      x = tf.add(x, tf.tensor2d(noise, x.shape));
    }
    return this.#linear(tf.relu(this.#linear(x, 'hidden')), `heads.${task}`);
  }

  loss(batch, { training, random }) {
    requireLoss(this, batch);
    const [loss, accuracy] = tf.tidy(() => {
      const outputs = this.#outputs(batch.inputs, batch.task, { training, random });
      if (batch.loss === 'cross-entropy') {
        // Labels are indices into the candidates of the batch, whose ids are classes.
        const classes = Int32Array.from(batch.labels, (label) => batch.targets.ids[label]);
        const right = tf.oneHot(tf.tensor1d(classes, 'int32'), outputs.shape[1]);
        const smoothed = tf.add(
          tf.mul(right, 1 - batch.labelSmoothing),
          batch.labelSmoothing / outputs.shape[1],
        );
        const hits = tf.equal(tf.argMax(outputs, 1), tf.tensor1d(classes, 'int32'));
        const loss = tf.neg(tf.mean(tf.sum(tf.mul(smoothed, tf.logSoftmax(outputs)), 1)));
        return [loss, tf.mean(tf.cast(hits, 'float32'))];
      }
      const wanted = tf.tensor2d(batch.values, outputs.shape);
      if (batch.loss === 'regression') return [tf.mean(tf.squaredDifference(outputs, wanted))];
      // softplus(x) - x y is the cross-entropy of a sigmoid.
      const loss = tf.mean(tf.sub(tf.softplus(outputs), tf.mul(outputs, wanted)));
      const hits = tf.equal(tf.greater(outputs, 0), tf.greater(wanted, 0.5));
      return [loss, tf.mean(tf.cast(hits, 'float32'))];
    });
    return { loss, weight: batch.inputs.size, metrics: accuracy ? { accuracy } : {}, records: [] };
  }

  weights({ inputs }) {
    return { loss: inputs.size };
  }

  /** Logits of a task's classes, picked by the names of the candidates. */
  async scores({ inputs, targets }, { task = inputs.task } = {}) {
    const { classes = [] } = this.tasks.find(({ name }) => name === task) ?? {};
    const columns = Array.from(targets.ids, (id) => {
      const name = targets.names?.[id];
      const column = name === undefined ? id : classes.indexOf(name);
      if (column >= 0) return column;
      throw new ConfigError(`${NAME}: expected classes of "${task}" (${classes.join(', ')}), got "${name}"`);
    });
    const outputs = tf.tidy(() =>
      tf.gather(this.#outputs(inputs, task), tf.tensor1d(Int32Array.from(columns), 'int32'), 1),
    );
    try {
      return await outputs.data();
    } finally {
      outputs.dispose();
    }
  }

  async endOfEpoch({ validate }) {
    const losses = Object.entries(await validate()).filter(([name]) => name.endsWith('/loss'));
    const mean = losses.reduce((sum, [, loss]) => sum + loss, 0) / losses.length;
    if (this.#best !== undefined && !(mean < this.#best)) this.#pace /= 2;
    this.#best = Math.min(this.#best ?? mean, mean);
  }

  serves({ name }) {
    return this.tasks.some((task) => task.name === name);
  }

  describe() {
    return [
      ['model', `width ${this.config.pooled.width}, a head for each of ${this.tasks.length} tasks`],
      ['noise', String(this.#pace)],
    ];
  }

  clearCaches() {}

  dispose() {
    this.parameters.dispose();
  }

  [Symbol.dispose]() {
    this.dispose();
  }
}

export const toyPooled = {
  name: NAME,
  summary: 'mean of patches or token embeddings, one hidden layer with batch norm, a head for each task',
  settings: pooledFields,
  config: { pooled: z.object({ ...pooledFields, vocabularySize: z.number().int().min(1) }) },
  configure: (settings, { vocabularySize, ...data }) => ({
    ...data,
    pooled: { ...settings, vocabularySize },
  }),
  create: (config, parts) => new PooledModel(config, parts),
  size: (config) => ({
    parameters: specsOf({ tasks: [], ...config }).reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    patch: config.pooled.patch,
    textLength: config.maximumTokens ?? 50,
    activations: (positions) => positions * config.pooled.width,
    leastActivations: (positions) => positions * config.pooled.width,
  }),
  describe: ({ width }, tasks) => `${NAME}: width ${width}, heads for ${tasks.join(', ')}`,
};

registerModel(toyPooled);
