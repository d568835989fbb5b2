/** What is said of a parameter before there is one. */
import type { Initializer } from './initializers.ts';

/** What a parameter is for. The optimizer decays `weight` alone. */
export type ParameterRole = 'weight' | 'bias' | 'norm' | 'embedding' | 'gate' | 'temperature' | 'scale';

/** A parameter before it is allocated. */
export interface ParameterSpec {
  /** Dotted path, unique in its set, e.g. `blocks.0.attention.qkv.weight`. */
  readonly name: string;
  /** Extents; `[]` is a scalar. Linear weights are `[out, in]`. */
  readonly shape: readonly number[];
  readonly initializer: Initializer;
  readonly role: ParameterRole;
}
