import { inProcessCommunicators } from '@polygate/core';
import { expect, it } from 'vitest';
import { countExchange } from './ranks.ts';

it('countExchange counts bytes that are given, and the wait for answers, between two looks', async () => {
  const [alone] = inProcessCommunicators(1);
  if (!alone) throw new Error('expected a rank');
  let ms = 0;
  // Each look at the clock comes 3 ms after the last one: a call takes 3.
  const counted = countExchange(alone, () => (ms += 3));
  await counted.allReduce([new Float32Array(3), new Uint8Array(2)], 'max');
  await counted.allGather(new Float64Array(4));
  // 3 * 4 + 2 + 4 * 8
  expect(counted.take()).toEqual({ exchangeBytes: 46, exchangeMs: 6 });
  await counted.barrier();
  expect(counted.take()).toEqual({ exchangeBytes: 0, exchangeMs: 0 });
});
