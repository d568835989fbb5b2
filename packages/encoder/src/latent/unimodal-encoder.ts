/**
 * The unimodal encoder that all modalities and tasks share (SM^4, appendix A.2, after Perceiver): tokens of any number and
 * width become N latents of C channels.
 *   t = concat(x, zeros, Fourier code, one-hot code of the modality)                       [B, L, D]
 *   z = z + cross(norm(z), norm(t)),  z = z + ffn(norm(z))                                 [B, N, C]
 *   z = z + self(norm(z)),            z = z + ffn(norm(z))                                 in each layer
 * The paper names the attentions alone; the feed-forward parts are those of Perceiver.
 *
 * B batch · L tokens · D token width · N latents · C width · h heads
 */
import { ShapeError } from '@polygate/core';
import { linearSpecs } from '@polygate/modalities';
import type { ParameterSpec } from '@polygate/nn';
import { attention, crossAttention, layerNorm, linear, residual, toHeads } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { matrixOf, vectorOf, type ParameterSource } from '../blocks/block-linears.ts';
import { HIDDEN } from '../sequence/sequence-tensors.ts';
import { codeWidth, fourierCodes, type TokenPositions } from './fourier-codes.ts';
import { tokenWidth, type ResolvedLatentConfig } from './latent-config.ts';

/** Tokens of one modality of a batch. */
export interface ModalityTokens {
  /** Name of the modality. */
  readonly modality: string;
  /** [B, L, d] float32, d at most the configured width of the modality; borrowed. Tokens of padding must be finite. */
  readonly tokens: tf.Tensor3D;
  /** Of the L tokens, the same in every sample. */
  readonly positions: TokenPositions;
  /** [B * L], 1 = no token. @default all are there */
  readonly padding?: Uint8Array | undefined;
}

const norm = (name: string, width: number): readonly ParameterSpec[] => [
  { name: `${name}.weight`, shape: [width], initializer: { kind: 'ones' }, role: 'norm' },
  { name: `${name}.bias`, shape: [width], initializer: { kind: 'zeros' }, role: 'norm' },
];

const feedForward = (
  path: string,
  { width, latentHidden }: ResolvedLatentConfig,
): readonly ParameterSpec[] => [
  ...norm(`${path}.norm2`, width),
  ...linearSpecs(`${path}.ffn.fc1`, [latentHidden, width]),
  ...linearSpecs(`${path}.ffn.fc2`, [width, latentHidden]),
];

/** The parameters of the unimodal encoder, `latent.*`. */
export const describeUnimodalEncoder = (config: ResolvedLatentConfig): readonly ParameterSpec[] => {
  const { width, latents, crossHeads, crossHeadWidth, latentHeads, latentHeadWidth, latentLayers } = config;
  const cross = crossHeads * crossHeadWidth;
  const inner = latentHeads * latentHeadWidth;
  const tokens = tokenWidth(config);
  return [
    {
      name: 'latent.queries',
      shape: [latents, width],
      initializer: { kind: 'normal', std: 1 },
      role: 'embedding',
    },
    ...norm('latent.cross.norm1', width),
    ...norm('latent.cross.tokens', tokens),
    ...linearSpecs('latent.cross.query', [cross, width]),
    ...linearSpecs('latent.cross.key', [cross, tokens]),
    ...linearSpecs('latent.cross.value', [cross, tokens]),
    ...linearSpecs('latent.cross.output', [width, cross]),
    ...feedForward('latent.cross', config),
    ...Array.from({ length: latentLayers }, (_, at) => {
      const path = `latent.self.${at}`;
      return [
        ...norm(`${path}.norm1`, width),
        ...linearSpecs(`${path}.qkv`, [3 * inner, width], inner),
        ...linearSpecs(`${path}.output`, [width, inner]),
        ...feedForward(path, config),
      ];
    }).flat(),
  ];
};

/** What the unimodal encoder works with. All borrowed. */
export interface UnimodalContext {
  readonly config: ResolvedLatentConfig;
  readonly parameters: ParameterSource;
  /** Weight of the tokens in weight gradients. @default 1 */
  readonly rate?: number | undefined;
}

/** Position code and one-hot code of tokens with what comes between them and the values, [1, L, D - d]. */
const codesOf = (
  { modality, tokens, positions }: ModalityTokens,
  { inputs, bands, maximalFrequency }: ResolvedLatentConfig,
): tf.Tensor3D => {
  const [, length, values] = tokens.shape;
  const names = Object.keys(inputs);
  const width = tokenWidth({ inputs, bands }) - values;
  const coded = codeWidth(positions.axes, { bands });
  const codes = fourierCodes(positions, { bands, maximalFrequency });
  const rest = new Float32Array(length * width);
  const first = width - names.length - coded;
  for (let token = 0; token < length; token += 1) {
    rest.set(codes.subarray(token * coded, (token + 1) * coded), token * width + first);
    rest[token * width + first + coded + names.indexOf(modality)] = 1;
  }
  return tf.tensor3d(rest, [1, length, width]);
};

const checkTokens = (
  { modality, tokens, positions, padding }: ModalityTokens,
  config: ResolvedLatentConfig,
) => {
  const { inputs } = config;
  const input = Object.hasOwn(inputs, modality) ? inputs[modality] : undefined;
  const [batch, length, width] = tokens.shape;
  const refuse = (expected: string, got: unknown): never => {
    throw new ShapeError(`encode: expected ${expected} of ${modality}, got ${String(got)}`, {
      fields: { modality, got },
    });
  };
  if (!input) {
    throw new ShapeError(
      `encode: expected a modality of the encoder (${Object.keys(inputs).join(', ')}), got ${modality}`,
      { fields: { modality } },
    );
  }
  if (length === 0) refuse('one token or more', 0);
  if (width > input.width) refuse(`tokens of at most ${input.width} values`, width);
  if (positions.axes > input.axes) refuse(`positions on at most ${input.axes} axes`, positions.axes);
  const { length: count } = positions.coordinates;
  if (count !== length * positions.axes) refuse(`${length * positions.axes} coordinates`, count);
  if (padding && padding.length !== batch * length)
    refuse(`${batch * length} flags of padding`, padding.length);
};

/** [B, 1, 1, L], or undefined where all tokens are there. */
const maskOf = ({ tokens, padding }: ModalityTokens): tf.Tensor4D | undefined =>
  padding?.includes(1)
    ? tf.tensor4d(
        Float32Array.from(padding, (flag) => (flag === 1 ? HIDDEN : 0)),
        [tokens.shape[0], 1, 1, tokens.shape[1]],
      )
    : undefined;

/**
 * The latents of a modality, [B, N, C]. Call it inside a tidy.
 * @throws ShapeError for tokens that do not fit the configuration
 */
export const encodeModality = (
  given: ModalityTokens,
  { config, parameters, rate = 1 }: UnimodalContext,
): tf.Tensor3D => {
  checkTokens(given, config);
  const { tokens: values } = given;
  const { crossHeads, latentHeads, latentLayers } = config;
  const [batch] = values.shape;
  const apply = (x: tf.Tensor, path: string, activation: 'none' | 'gelu' = 'none'): tf.Tensor3D => {
    const weight = matrixOf(parameters, `${path}.weight`);
    const rates = rate === 1 ? undefined : tf.fill(x.shape.slice(0, -1), rate);
    return linear(x, weight, vectorOf(parameters, `${path}.bias`), {
      activation,
      weightRates: rates,
    }) as tf.Tensor3D;
  };
  const normed = <T extends tf.Tensor>(x: T, path: string): T =>
    layerNorm(x, vectorOf(parameters, `${path}.weight`), vectorOf(parameters, `${path}.bias`));
  const fed = (x: tf.Tensor3D, path: string): tf.Tensor3D =>
    residual(x, apply(apply(normed(x, `${path}.norm2`), `${path}.ffn.fc1`, 'gelu'), `${path}.ffn.fc2`));

  const codes = tf.tile(codesOf(given, config), [batch, 1, 1]);
  const tokens = normed(tf.concat([values, codes], 2), 'latent.cross.tokens');
  const start = matrixOf(parameters, 'latent.queries');
  const query = apply(normed(start, 'latent.cross.norm1'), 'latent.cross.query') as tf.Tensor;
  const repeated = (x: tf.Tensor): tf.Tensor3D => tf.tile(tf.expandDims(x, 0), [batch, 1, 1]) as tf.Tensor3D;
  const mixed = crossAttention(toHeads(repeated(query), crossHeads), [
    {
      keys: toHeads(apply(tokens, 'latent.cross.key'), crossHeads),
      values: toHeads(apply(tokens, 'latent.cross.value'), crossHeads),
      mask: maskOf(given),
    },
  ]);
  let z = fed(residual(repeated(start), apply(mixed, 'latent.cross.output')), 'latent.cross');
  for (let at = 0; at < latentLayers; at += 1) {
    const path = `latent.self.${at}`;
    const attended = attention(apply(normed(z, `${path}.norm1`), `${path}.qkv`), { heads: latentHeads });
    z = fed(residual(z, apply(attended, `${path}.output`)), path);
  }
  return z;
};
