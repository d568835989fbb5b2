/** The three settings of the paper (SM^4, tables 1 and 17): experts, latents of a modality, factor of the balance losses. */
import { unknownName } from '@polygate/core';

/** What a preset decides. */
export interface Sm4Preset {
  readonly experts: number;
  readonly latents: number;
  readonly balance: number;
}

const presets: ReadonlyMap<string, Sm4Preset> = new Map([
  ['small', { experts: 16, latents: 20, balance: 0.1 }],
  ['medium', { experts: 32, latents: 12, balance: 0.05 }],
  ['large', { experts: 16, latents: 12, balance: 0.1 }],
]);

/** The preset of a name. @throws ConfigError listing the known names */
export const sm4PresetNamed = (name: string): Sm4Preset => {
  const preset = presets.get(name);
  if (!preset) throw unknownName('preset of sm4', name, [...presets.keys()]);
  return preset;
};
