import { defineSource } from './data-source.ts';

export const fortunesMin = defineSource({
  name: 'fortunes-min',
  summary: 'Fortunes, the small set',
  pin: {
    registry: 'debian',
    name: 'fortunes-min',
    version: '1:1.99.1-7.3',
    bytes: 56492,
    sha256: '9eed5b45064e41133dae0967cf3a17588ad77c014fcc7bf1527fa3ea48e44d07',
    pool: 'pool/main/f/fortune-mod/fortunes-min_1.99.1-7.3_all.deb',
    keep: /^usr\/share\/games\/fortunes\/[\w-]+$/u,
  },
  credit: {
    work: 'Fortunes, the small set',
    by: 'Ken Arnold and contributors; packed for Debian',
    licence: 'BSD for the collection; the sayings are quotations of their authors',
    use: 'text, and the topic of each',
  },
});
