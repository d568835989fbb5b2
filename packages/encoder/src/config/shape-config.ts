/** The sizes, modalities and regularisation of an encoder: all of its configuration but experts. Plain JSON. */
import { ConfigError, excerpt, ownValue } from '@polygate/core';
import {
  check,
  checkFields,
  checkWhole,
  modalityNamed,
  registeredModalities,
  type FieldType,
  type Modality,
  type Segment,
  type TextSettings,
  type VisualSettings,
} from '@polygate/modalities';
import { ENCODER_LIMITS } from './limits.ts';

/**
 * An encoder without experts. Lengths are in tokens, widths in channels. Settings of text and images may stand on the top
 * level, where configurations of the first version have them.
 */
export interface EncoderShape extends Partial<TextSettings>, Partial<VisualSettings> {
  /** Number of blocks. */
  readonly layers: number;
  /** Channels D of a token; a multiple of `heads`, and of 4 where images are embedded (sin-cos positions). */
  readonly width: number;
  readonly heads: number;
  /** Channels of the feed-forward part between its linears. */
  readonly hidden: number;
  /**
   * Modalities that are embedded, by name, with their settings, see @polygate/modalities.
   * @default visual and text, with the settings of the top level
   */
  readonly modalities?: Readonly<Record<string, object>>;
  /** Start value of the per-channel factors on both branches. @default 1e-3 */
  readonly layerScale?: number;
  /** Probability, in [0, 1), that a sample skips a branch in training; the same in all blocks. @default 0 */
  readonly dropPath?: number;
  /**
   * Whether queries, keys and values have a linear each in place of one that is fused, so that they may have experts of
   * their own. @default false
   */
  readonly splitAttention?: boolean;
  /**
   * Names of the learned temperatures: those of the families of the model's tasks.
   * @default the five of the paper, which configurations that name none were made with
   */
  readonly temperatures?: readonly string[];
}

/** A checked shape with nothing left open; the settings of all modalities stand under their names. */
export type ResolvedEncoderShape = Required<Omit<EncoderShape, keyof TextSettings | keyof VisualSettings>>;

/**
 * Temperatures of configurations that name none: files of the first version, which had the paper's families alone, and
 * presets. A model that is made for tasks names those of their families.
 */
const UNNAMED_TEMPERATURES: readonly string[] = Object.freeze([
  'image-classification',
  'video-classification',
  'masked-language-modelling',
  'image-captioning',
  'image-text-retrieval',
]);

/** Names of an encoder's temperatures, as its configuration says or leaves out. */
export const temperaturesOf = ({
  temperatures = UNNAMED_TEMPERATURES,
}: Pick<EncoderShape, 'temperatures'>): readonly string[] => temperatures;

/** Modalities of an encoder that names none, in the order in which routers number them. */
const DEFAULT_MODALITIES = Object.freeze({ visual: {}, text: {} });

const shapeFields = {
  layers: 'number',
  width: 'number',
  heads: 'number',
  hidden: 'number',
  modalities: 'object',
  layerScale: 'number',
  dropPath: 'number',
  splitAttention: 'boolean',
  temperatures: 'texts',
} satisfies Record<keyof ResolvedEncoderShape, FieldType>;

/** The settings of a modality as they were given, on the top level and under its name. */
const givenSettings = (shape: EncoderShape, modality: Pick<Modality, 'name' | 'topLevel'>): object => {
  const fields = shape as unknown as Readonly<Record<string, unknown>>;
  const settings = ownValue(shape.modalities ?? DEFAULT_MODALITIES, modality.name);
  checkFields(settings, `modalities.${modality.name}`, {});
  const named = (settings ?? {}) as Readonly<Record<string, unknown>>;
  const above = (modality.topLevel ?? []).filter((field) => ownValue(fields, field) !== undefined);
  for (const field of above) {
    const [top, below] = [fields[field], ownValue(named, field)];
    check(below === undefined || JSON.stringify(below) === JSON.stringify(top), field, [
      `to be that of modalities.${modality.name} (${excerpt(below)}); say it in one place`,
      top,
    ]);
  }
  return { ...Object.fromEntries(above.map((field) => [field, fields[field]])), ...named };
};

/**
 * The settings of a modality in an encoder, with nothing left open.
 * @param modality its record, e.g. `text` of @polygate/modalities
 * @throws ConfigError for an encoder that does not embed it, or settings that can't be
 */
export const modalitySettings = <Settings extends object, Input extends object, S extends Segment>(
  shape: EncoderShape,
  modality: Modality<Settings, Input, S>,
): Settings => {
  const names = Object.keys(shape.modalities ?? DEFAULT_MODALITIES);
  if (!names.includes(modality.name)) {
    throw new ConfigError(
      `encoder: expected one that embeds ${modality.name}, got one of ${names.join(', ')}; name it in modalities`,
      { code: 'modality-missing', fields: { modality: modality.name, names } },
    );
  }
  return modality.resolve(givenSettings(shape, modality), shape.width);
};

const resolveModalities = (shape: EncoderShape): Readonly<Record<string, object>> => {
  const names = Object.keys(shape.modalities ?? DEFAULT_MODALITIES);
  check(names.length > 0, 'modalities', ['to name one or more', 'none']);
  return Object.freeze(
    Object.fromEntries(names.map((name) => [name, modalitySettings(shape, modalityNamed(name))])),
  );
};

/**
 * Fills in the defaults and checks the whole. Fields that are no part of a shape pass through.
 * @throws ConfigError naming the field, what it expects and what it got
 */
export const resolveEncoderShape = (shape: EncoderShape): ResolvedEncoderShape => {
  checkFields(shape, '', shapeFields);
  const resolved = {
    layerScale: 1e-3,
    dropPath: 0,
    splitAttention: false,
    ...shape,
    temperatures: temperaturesOf(shape),
  };
  const { width, heads, dropPath, temperatures } = resolved;
  const most = ENCODER_LIMITS;
  checkWhole('layers', resolved.layers, { most: most.layers });
  checkWhole('width', width, { most: most.width });
  const modalities = resolveModalities(shape);
  checkWhole('heads', heads, { most: most.heads });
  check(width % heads === 0, 'heads', [`to divide width (${width})`, heads]);
  checkWhole('hidden', resolved.hidden, { most: most.hidden });
  check(Number.isFinite(resolved.layerScale), 'layerScale', ['to be a finite number', resolved.layerScale]);
  check(dropPath >= 0 && dropPath < 1, 'dropPath', ['to be in [0, 1)', dropPath]);
  check(new Set(temperatures).size === temperatures.length, 'temperatures', [
    'to have unique names',
    temperatures.join(', '),
  ]);
  const above = new Set(registeredModalities().flatMap(({ topLevel }) => topLevel ?? []));
  const rest = Object.fromEntries(Object.entries(resolved).filter(([field]) => !above.has(field)));
  return Object.freeze({ ...(rest as Omit<typeof resolved, 'modalities'>), modalities });
};
