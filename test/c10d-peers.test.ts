/** Groups of c10d over processes: one of them PyTorch's own; and what is left when one is killed. */
import { connectC10d, describeC10d } from '@polygate/backend-torch/c10d';
import type { CollectiveArray } from '@polygate/core';
import { freePort } from '@polygate/core/node';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const child = fileURLToPath(new URL('c10d-child.mjs', import.meta.url));
const peer = fileURLToPath(new URL('../bench/peers/c10d_peer.py', import.meta.url));
const c10d = describeC10d();
/** Debian's python3-torch belongs to the system's Python, whichever one is first on the path. */
const named = process.env['POLYGATE_TORCH_PYTHON'];
const python = (named === undefined ? ['/usr/bin/python3', 'python3'] : [named]).find(
  (each) =>
    c10d.available && spawnSync(each, ['-c', 'from torch.distributed import ProcessGroupGloo']).status === 0,
);

// What is named is tested, or the run fails.
if (named !== undefined && python === undefined) {
  throw new Error(
    `expected torch with Gloo in ${named} and a communicator, got ${c10d.available ? 'no such torch' : c10d.why}; apt-get install python3-torch, and npx polygate engines build torch`,
  );
}

const kinds = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint8: Uint8Array,
} as const;

describe.runIf(c10d.available)('a group of processes', () => {
  it.skipIf(python === undefined)(
    'exchanges arrays of every kind by every collective with PyTorch (skipped where no Python has torch with Gloo: apt-get install python3-torch)',
    async () => {
      const port = await freePort();
      const theirs = promisify(execFile)(python ?? '', [peer, '127.0.0.1', String(port), '1', '2', 'parity']);
      const group = await connectC10d({ host: '127.0.0.1', port, rank: 0, size: 2, group: 'parity' });
      const ours: Record<string, unknown> = {};
      for (const [name, Kind] of Object.entries(kinds)) {
        const values = (): CollectiveArray => Kind.of(1, 0, 7);
        const [sum, max, sent] = [values(), values(), values()];
        await group.allReduce([sum], 'sum');
        await group.allReduce([max], 'max');
        const parts = await group.allGather(values());
        await group.broadcast(sent, 1);
        ours[name] = { sum: [...sum], max: [...max], sent: [...sent], parts: parts.map((part) => [...part]) };
      }
      await group.barrier();
      const told = JSON.parse((await theirs).stdout) as Record<string, unknown>;
      await group[Symbol.asyncDispose]();
      // Rank 0 has (1, 0, 7), rank 1 (2, 3, 7).
      const values = { sum: [3, 3, 14], max: [2, 3, 7], sent: [2, 3, 7] };
      const parts = [
        [1, 0, 7],
        [2, 3, 7],
      ];
      for (const name of Object.keys(kinds)) {
        expect(ours[name]).toEqual({ ...values, parts });
        expect(told[name]).toEqual({ ...values, parts });
      }
    },
  );

  it('ends with the rank that was killed, on all others', async () => {
    const port = await freePort();
    const at = { host: '127.0.0.1', port, size: 3, timeoutMs: 60_000 };
    const doomed = spawn(process.execPath, [child, JSON.stringify({ ...at, rank: 1 })], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const [first, last] = await Promise.all([0, 2].map((rank) => connectC10d({ ...at, rank })));
    await once(doomed, 'message');
    const waiting = Promise.allSettled(
      [first, last].map((rank) => rank?.allReduce([new Float32Array(100_000)], 'sum')),
    );
    doomed.kill('SIGKILL');
    for (const outcome of await waiting) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { code: 'rank-failed', fields: { ranks: [1] } },
      });
      expect((outcome as PromiseRejectedResult).reason.message).toMatch(
        /^communicator: expected all ranks to answer, but rank 1 did not: gone or stopped during a reduction/u,
      );
    }
    await Promise.all([first, last].map((rank) => rank?.[Symbol.asyncDispose]()));
  });

  it('ends with the rank that keeps the store and was stopped, when the others have waited', async () => {
    const port = await freePort();
    const at = { host: '127.0.0.1', port, size: 2, timeoutMs: 3000 };
    const keeper = spawn(process.execPath, [child, JSON.stringify({ ...at, rank: 0 })], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const waiter = spawn(process.execPath, [child, JSON.stringify({ ...at, rank: 1, waits: true })], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let told = '';
    waiter.stderr?.setEncoding('utf8').on('data', (text: string) => (told += text));
    try {
      await Promise.all([once(keeper, 'message'), once(waiter, 'message')]);
      keeper.kill('SIGSTOP');
      waiter.send('go');
      // Its process ends by itself, although its call to the store is never answered.
      const [code] = (await once(waiter, 'close')) as [number];
      expect([code, told]).toEqual([
        3,
        expect.stringMatching(/^rank-failed: .*rank 0 did not: the store at 127\.0\.0\.1:\d+ is gone/u),
      ]);
    } finally {
      keeper.kill('SIGKILL');
      waiter.kill('SIGKILL');
    }
  });

  it('names the ranks that do not come, and a rank that comes twice', async () => {
    const port = await freePort();
    const at = { host: '127.0.0.1', port, size: 3, timeoutMs: 4000 };
    const came = await Promise.allSettled([connectC10d({ ...at, rank: 0 }), connectC10d({ ...at, rank: 2 })]);
    expect(came.map((each) => each.status === 'rejected' && (each.reason as Error).message)).toEqual([
      `rendezvous at 127.0.0.1:${port}: expected 3 ranks within 4 s, got none of rank 1; start it with the same address, port and number of processes`,
      `rendezvous at 127.0.0.1:${port}: expected 3 ranks within 4 s, got none of rank 1; start it with the same address, port and number of processes`,
    ]);
    const other = await freePort();
    const pair = { host: '127.0.0.1', port: other, size: 2, timeoutMs: 20_000 };
    const first = connectC10d({ ...pair, rank: 0 }).catch((error: unknown) => error);
    const second = connectC10d({ ...pair, rank: 1 });
    await second;
    await expect(connectC10d({ ...pair, rank: 1 })).rejects.toMatchObject({ code: 'rank-taken' });
    const group = [await first, await second] as readonly AsyncDisposable[];
    await Promise.all(group.map((rank) => rank[Symbol.asyncDispose]()));
  });
});
