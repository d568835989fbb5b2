/**
 * What can be switched off where a processor and a library do not agree: a way of computing that gives wrong results is
 * given up, and the next one is taken. Which it is, is not known beforehand: Debian 13's oneDNN 3.7.2 gives wrong gradients
 * of convolutions on some processors and right ones on others. @polygate/tensor asks known questions and switches.
 */
import * as tf from '@tensorflow/tfjs';
import type { TorchBackend } from './backend.ts';
import { composeAlways } from './fused/operand.ts';
import { BACKEND_NAME } from './kernel-registration.ts';
import { useOneDnnInConvolutions } from './kernels/convolutions.ts';
import type { Dispatcher } from './native/dispatcher.ts';

/** Another way of computing, slower than the usual one. */
export interface TorchWorkaround {
  /** In words that follow "with": `convolutions without oneDNN`. */
  readonly name: string;
  /** Families of kernels that it computes in another way. */
  readonly repairs: readonly string[];
  /** Takes the other way from now on, or the usual one again. Holds until the engine is registered anew. */
  readonly use: (on: boolean) => void;
}

/** Families whose products run in blocks of native/operators/tiles.h. */
const IN_BLOCKS = ['linear', 'attention', 'expert'];

/** The other ways of a dispatcher's library, the cheapest first. */
export const workaroundsOf = (torch: Dispatcher): readonly TorchWorkaround[] => [
  {
    name: 'convolutions without oneDNN',
    repairs: ['convolution', 'volume'],
    use: (on) => useOneDnnInConvolutions(torch, !on),
  },
  {
    name: 'bf16 products in AVX-512 registers, not on the tile unit',
    repairs: IN_BLOCKS,
    use: (on) => void torch.value('polygate::use_tile_unit', !on),
  },
  {
    name: "ATen's products, not blocks of our own",
    repairs: IN_BLOCKS,
    use: (on) => void torch.value('polygate::use_tiles', !on),
  },
  {
    name: 'bf16 products in float32, rounded once',
    repairs: ['product', 'convolution', 'volume', ...IN_BLOCKS],
    use: (on) => void torch.value('polygate::use_wide_products', on),
  },
  {
    name: 'ATen without oneDNN',
    repairs: ['product', 'convolution', 'volume', ...IN_BLOCKS],
    use: (on) => void torch.native.oneDnn(!on),
  },
  {
    name: "ATen's operators, not fused ones of our own",
    repairs: [...IN_BLOCKS, 'norm', 'softmax', 'activation', 'look-up', 'optimizer', 'reduction'],
    use: (on) => composeAlways((tf.findBackend(BACKEND_NAME) as TorchBackend).context, on),
  },
];

/** All usual ways, for an engine that is registered anew. */
export const resetSwitches = (torch: Dispatcher): void => {
  useOneDnnInConvolutions(torch, true);
  torch.value('polygate::use_tile_unit', true);
  torch.value('polygate::use_wide_vectors', true);
  torch.value('polygate::use_tiles', true);
  torch.value('polygate::use_wide_products', false);
  torch.native.oneDnn(true);
};
