import { describe, expect, it } from 'vitest';
import type { LatentEncoderConfig } from './latent-config.ts';
import { countLatentFlops } from './latent-flops.ts';

const common = { condition: 'token', experts: 16, topK: 1, capacityFactor: 'dropless' } as const;
const config: LatentEncoderConfig = {
  inputs: { image: { width: 51, axes: 1 }, sound: { width: 10, axes: 1 } },
  latents: 20,
  moe: {
    groups: [
      { ...common, name: 'attention', linears: ['attention.query', 'attention.key', 'attention.value'] },
      { ...common, name: 'ffn', linears: ['ffn.*'], wholeExperts: true },
    ],
  },
};
const shown = (topK?: number) => [
  { modality: 'image', tokens: 30, ...(topK === undefined ? {} : { topK }) },
  { modality: 'sound', tokens: 10 },
];

describe('operations of an encoder of latents', () => {
  it('are those of its products', () => {
    const flops = countLatentFlops(config, shown());
    // Tokens of 51 values, 13 of position and 2 flags are 66 wide. Of 30: keys and values, then two products with 20 latents.
    const cross = 2 * 20 * 2 * 64 * 64 + 2 * 30 * 2 * 66 * 64 + 2 * 2 * 20 * 30 * 64;
    const feed = 2 * 20 * 2 * 64 * 256;
    const self = 2 * 20 * 4 * 64 * 512 + 2 * 2 * 20 * 20 * 512;
    expect(flops.unimodal[0]).toBe(cross + feed + self + feed);
    // Forty latents: four squares of 64, and 64 x 128 twice.
    expect(flops.linears).toBe(40 * 2 * (4 * 64 * 64 + 2 * 64 * 128));
    expect(flops.attention).toBe(2 * 2 * 40 * 40 * 64);
    // Three routers of attention and one behind it.
    expect(flops.routing).toBe(40 * 4 * 2 * 16 * 64);
    expect(countLatentFlops({ ...config, join: 'batch' }, shown()).attention).toBe(2 * 2 * 2 * 20 * 20 * 64);
  });

  it('grow by one expert for each token of a modality that chooses one more, and by nothing else', () => {
    const [one, two, three] = [1, 2, 3].map((topK) => countLatentFlops(config, shown(topK)));
    // Three squares and the feed-forward part, of the twenty latents of the image.
    const expert = 20 * 2 * (3 * 64 * 64 + 2 * 64 * 128);
    expect((two?.forward ?? 0) - (one?.forward ?? 0)).toBe(expert);
    expect((three?.forward ?? 0) - (two?.forward ?? 0)).toBe(expert);
    // Dense blocks cost as one expert a token does, without routers.
    const { moe: _, ...dense } = config;
    expect(countLatentFlops(dense, shown()).linears).toBe(one?.linears);
    expect(countLatentFlops(dense, shown()).routing).toBe(0);
  });
});
