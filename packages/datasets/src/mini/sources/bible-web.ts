import { defineSource } from './data-source.ts';

export const bibleWeb = defineSource({
  name: 'bible-web',
  summary: 'World English Bible',
  pin: {
    registry: 'debian',
    name: 'sword-text-web',
    version: '426.0-1',
    bytes: 3956428,
    sha256: '930b23670b352f0829a306501de4bebb5e654a2df02cde2cbe86b802177868e1',
    pool: 'pool/main/s/sword-text-web/sword-text-web_426.0-1_all.deb',
    keep: /^usr\/share\/sword\/modules\/texts\/ztext\/engWEB2015eb\/.*\.bz[svz]$/u,
  },
  credit: {
    work: 'World English Bible',
    by: 'eBible.org',
    licence: 'public domain',
    use: 'text, and pairs of verses',
  },
});
