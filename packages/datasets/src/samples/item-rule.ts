/** What the items of a reader must be, as values: readers of other packages are held to it, item by item. */
import {
  listOf,
  oneOf,
  optional,
  recordOf,
  ruleOf,
  rules,
  shaped,
  type Rule,
  type RuleFields,
} from '@polygate/core';

/** A record of one of several kinds, by its field `kind`. */
const byKind = (kinds: Readonly<Record<string, RuleFields>>): Rule => {
  const choices = new Map(Object.entries(kinds).map(([kind, fields]) => [kind, shaped(fields)]));
  const named = shaped({ kind: oneOf(...choices.keys()) });
  return (value, path) =>
    named(value, path) ?? choices.get((value as { readonly kind: string }).kind)?.(value, path);
};

const string = ruleOf('a text', (value) => typeof value === 'string');
const bytes = ruleOf('a Uint8Array', (value) => value instanceof Uint8Array);
const side = ruleOf(
  'a whole number of 1 or more',
  (value) => Number.isSafeInteger(value) && (value as number) > 0,
);

const path = { path: rules.text };
const pixelFields = shaped({
  pixels: bytes,
  height: side,
  width: side,
  channels: ruleOf('1, 3 or 4', (value) => value === 1 || value === 3 || value === 4),
});

const imageRule = ((): Rule => {
  const kinds = byKind({ path, bytes: { bytes }, pixels: {} });
  return (value, at = '') => {
    const misfit = kinds(value, at);
    const { kind, pixels, height, width, channels } = Object(value) as Record<string, unknown>;
    if (misfit || kind !== 'pixels') return misfit;
    const unlike = pixelFields(value, at);
    if (unlike) return unlike;
    const size = (height as number) * (width as number) * (channels as number);
    const { length } = pixels as Uint8Array;
    return length === size
      ? undefined
      : { path: `${at}.pixels`, expected: `${height} x ${width} x ${channels} bytes`, got: length };
  };
})();

const contentRule = byKind({
  path,
  paths: { paths: listOf(rules.text, 1) },
  bytes: { bytes },
  frames: { frames: side, key: rules.text, frame: rules.function },
  values: { values: ruleOf('a typed array', ArrayBuffer.isView), shape: listOf(rules.count) },
});

const fault = { id: string, code: rules.text, reason: string, count: optional(rules.count) };

/**
 * What an item of a reader must be: a sample, or a fault.
 * @param classes how many the reader has; labels are indices into them. @default labels are any index
 */
export const itemRule = (classes?: number): Rule =>
  byKind({
    fault,
    sample: {
      id: rules.text,
      image: optional(imageRule),
      contents: optional(recordOf(contentRule)),
      texts: optional(listOf(string)),
      label: optional(
        classes === undefined
          ? rules.count
          : ruleOf(
              `an index into ${classes} classes`,
              (value) => Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < classes,
            ),
      ),
      split: optional(rules.text),
      group: optional(string),
      extra: optional(recordOf(string)),
    },
  });
