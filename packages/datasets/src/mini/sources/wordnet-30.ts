import { defineSource } from './data-source.ts';

export const wordNet30 = defineSource({
  name: 'wordnet-30',
  summary: 'WordNet 3.0',
  pin: {
    registry: 'debian',
    name: 'wordnet-base',
    version: '1:3.0-37',
    bytes: 6467132,
    sha256: '61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752',
    pool: 'pool/main/w/wordnet/wordnet-base_3.0-37_all.deb',
    keep: /^usr\/share\/wordnet\/data\.(?:noun|verb|adj|adv)$/u,
  },
  credit: {
    work: 'WordNet 3.0',
    by: 'Princeton University',
    licence: 'WordNet License (free to use, copy, modify and distribute with its notice)',
    use: 'definitions and examples as text, and tasks made of them',
  },
});
