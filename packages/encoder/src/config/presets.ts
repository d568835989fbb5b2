/**
 * Named encoders. `ti`, `b` and `l` are the paper's (Table 6) with its vocabulary of 49,411 tokens; `mini` is a model
 * that trains on two CPU cores in minutes. A name ending in `-moe` has eight attribute-routed experts, two chosen.
 *
 * `b` and `l` place experts in every other block, `ti` and `mini` in all.
 */
import { unknownName } from '@polygate/core';
import type { EncoderConfig } from './config.ts';
import type { ExpertConfig } from './expert-config.ts';

/** CLIP's 49,408 byte-pair tokens and three more. */
const PUBLISHED_VOCABULARY = 49411;

const published = { vocabularySize: PUBLISHED_VOCABULARY, patch: { size: 16, channels: 3 } } as const;

const mini = {
  layers: 4,
  width: 192,
  heads: 6,
  hidden: 768,
  vocabularySize: 4096,
  patch: { size: 8, channels: 3 },
  // Departs from the paper's 1e-3, which a short run on little data would spend most of its steps growing.
  layerScale: 0.1,
  dropPath: 0,
} as const satisfies EncoderConfig;
const ti = { ...published, layers: 12, width: 192, heads: 3, hidden: 768, dropPath: 0 } as const;
const b = { ...published, layers: 12, width: 768, heads: 12, hidden: 3072, dropPath: 0.1 } as const;
const l = { ...published, layers: 24, width: 1024, heads: 16, hidden: 4096, dropPath: 0.2 } as const;

const everyBlock: ExpertConfig = { experts: 8, topK: 2, condition: 'attribute', every: 1 };
const everyOther: ExpertConfig = { ...everyBlock, every: 2 };

/** Names of the presets. */
export type PresetName = 'mini' | 'mini-moe' | 'ti' | 'ti-moe' | 'b' | 'b-moe' | 'l' | 'l-moe';

/** A preset; it names the vocabulary and the patches. */
export type PresetConfig = EncoderConfig & Required<Pick<EncoderConfig, 'vocabularySize' | 'patch'>>;

/** All presets by name. Override fields by spreading, e.g. the vocabulary: `{ ...presets.mini, vocabularySize }`. */
export const presets: Readonly<Record<PresetName, PresetConfig>> = Object.freeze({
  mini: Object.freeze(mini),
  'mini-moe': Object.freeze({ ...mini, moe: everyBlock }),
  ti: Object.freeze(ti),
  'ti-moe': Object.freeze({ ...ti, moe: everyBlock }),
  b: Object.freeze(b),
  'b-moe': Object.freeze({ ...b, moe: everyOther }),
  l: Object.freeze(l),
  'l-moe': Object.freeze({ ...l, moe: everyOther }),
});

/** The preset of a name. @throws ConfigError listing the known names */
export const presetNamed = (name: string): PresetConfig => {
  if (!Object.hasOwn(presets, name)) throw unknownName('preset', name, Object.keys(presets));
  return presets[name as PresetName];
};
