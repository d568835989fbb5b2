import type { BenchLine } from '../pair.ts';
import { captions } from './captions.ts';
import { conditionsPrice } from './conditions-price.ts';
import { engineWasm } from './engine-wasm.ts';
import { moePrice } from './moe-price.ts';
import { peerTorch, smallStep } from './peer-torch.ts';
import { replayStep } from './replay-step.ts';
import { rss } from './rss.ts';
import { scaling } from './scaling.ts';
import { sm4Block } from './sm4-block.ts';
import { stream } from './stream.ts';
import { tuneStep } from './tune-step.ts';

export interface BenchCase {
  readonly describe: string;
  run(): AsyncIterable<BenchLine>;
}

/** Every named case; a new one is a file and a line here. */
export const cases: Readonly<Record<string, BenchCase>> = {
  captions,
  'conditions-price': conditionsPrice,
  'engine-wasm': engineWasm,
  'moe-price': moePrice,
  'peer-torch': peerTorch,
  'replay-step': replayStep,
  rss,
  scaling,
  'small-step': smallStep,
  'sm4-block': sm4Block,
  stream,
  'tune-step': tuneStep,
};
