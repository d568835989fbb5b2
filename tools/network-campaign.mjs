/**
 * Machines that lose each other: network namespaces joined by a bridge stand in for machines, one rank in each, and seeded
 * faults meet a run at seeded moments, again and again, until it is done:
 *
 *   node tools/network-campaign.mjs 20 [seed] [machines]
 *
 * `kill` and `stop` meet a rank, `cut` takes the cable of a machine; `slow` limits its link to a tenth of a megabyte a
 * second, `delay` and `loss` (where the kernel has netem) hold its packets up or drop some. A run that was slowed must end as
 * if it had not been; after any other fault all ranks must end within a stated time with one error that names the rank that
 * was met, and the run must go on to the losses and weights of one that nothing met, to the last bit. Needs root, built
 * packages and c10d. Exits with 1 at the first difference.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '@polygate/core';
import {
  ENDING_MS,
  errorsOf,
  outcomeOf,
  pretrainWords,
  RANK_TIMEOUT,
  require,
  writeSuite,
} from './rank-suite.mjs';

const [count = '', seed = '1', machines = '4'] = process.argv.slice(2);
const [times, size] = [Number(count), Number(machines)];
if (!(times > 0) || !(size > 1)) {
  console.error('usage: node tools/network-campaign.mjs TIMES [SEED] [MACHINES]');
  process.exit(2);
}
const random = createRandom(Number(seed));
const folder = await mkdtemp(join(tmpdir(), 'polygate-network-'));

/** `ip` or `tc` with its words. */
const admin = (line) => {
  const [tool, ...words] = line.split(' ');
  execFileSync(tool, words, { stdio: ['ignore', 'ignore', 'pipe'] });
};
const hub = `polygate-${process.pid}`;
const machine = (rank) => `${hub}-${rank}`;
const address = (rank) => `10.73.0.${rank + 1}`;

/** Machines on one switch. */
const build = () => {
  admin(`ip netns add ${hub}`);
  admin(`ip -n ${hub} link add switch type bridge`);
  admin(`ip -n ${hub} link set switch up`);
  for (let rank = 0; rank < size; rank += 1) {
    const at = machine(rank);
    admin(`ip netns add ${at}`);
    admin(`ip link add eth0 netns ${at} type veth peer name port${rank} netns ${hub}`);
    admin(`ip -n ${hub} link set port${rank} master switch up`);
    admin(`ip -n ${at} addr add ${address(rank)}/24 dev eth0`);
    for (const link of ['lo', 'eth0']) admin(`ip -n ${at} link set ${link} up`);
  }
};
const demolish = () => {
  for (const name of [hub, ...Array.from({ length: size }, (_, rank) => machine(rank))]) {
    try {
      admin(`ip netns del ${name}`);
    } catch {
      // It was not built.
    }
  }
};
const shape = (rank, how) => admin(`ip netns exec ${machine(rank)} tc qdisc add dev eth0 root ${how}`);
const unshape = (rank) => admin(`ip netns exec ${machine(rank)} tc qdisc del dev eth0 root`);

/** What may meet a rank: how it begins and what tidies up after it; those that end no run are `endured`. */
const faults = {
  kill: { begin: (rank, child) => child.kill('SIGKILL') },
  stop: { begin: (rank, child) => child.kill('SIGSTOP') },
  cut: {
    begin: (rank) => admin(`ip -n ${hub} link set port${rank} down`),
    end: (rank) => admin(`ip -n ${hub} link set port${rank} up`),
  },
  slow: {
    endured: true,
    begin: (rank) => shape(rank, 'tbf rate 800kbit burst 16kb latency 400ms'),
    end: unshape,
  },
  delay: { endured: true, begin: (rank) => shape(rank, 'netem delay 20ms 10ms'), end: unshape },
  loss: { endured: true, begin: (rank) => shape(rank, 'netem loss 2%'), end: unshape },
};

/** Faults that this machine can make; says which it can't, and why. */
const possible = () =>
  Object.entries(faults).filter(([name, { endured, begin, end }]) => {
    if (!endured) return true;
    try {
      begin(0);
      end(0);
      return true;
    } catch (error) {
      console.log(`skipped: ${name}: ${String(error.stderr ?? error).trim()}`);
      return false;
    }
  });

/** A start on all machines, which a fault may meet. @returns how each rank ended, and how long after the fault */
const start = async (recipe, run, fault) => {
  const began = performance.now();
  let metAt;
  const ranks = Array.from({ length: size }, (_, rank) => {
    const words = [
      'netns',
      'exec',
      machine(rank),
      process.execPath,
      ...pretrainWords(recipe, join(folder, run)),
    ];
    const child = spawn('ip', words, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...process.env,
        ...{ RANK: String(rank), WORLD_SIZE: String(size), MASTER_ADDR: address(0), MASTER_PORT: '29500' },
        ...{ GLOO_SOCKET_IFNAME: 'eth0', OMP_NUM_THREADS: '1', POLYGATE_RANK_TIMEOUT: String(RANK_TIMEOUT) },
      },
    });
    const told = { errors: '' };
    child.stderr.setEncoding('utf8').on('data', (text) => (told.errors += text));
    const ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve({ rank, code, errors: told.errors, at: performance.now() }));
    });
    return { child, ended };
  });
  const timer =
    fault &&
    setTimeout(() => {
      const { child } = ranks[fault.rank];
      if (child.exitCode !== null) return;
      fault.begin(fault.rank, child);
      metAt = performance.now();
    }, fault.waitMs);
  // A stopped process never ends by itself.
  const others = await Promise.all(ranks.flatMap(({ ended }, rank) => (rank === fault?.rank ? [] : [ended])));
  clearTimeout(timer);
  const last = Math.max(...others.map(({ at }) => at));
  if (fault?.name === 'stop') ranks[fault.rank].child.kill('SIGKILL');
  const ends = await Promise.all(ranks.map(({ ended }) => ended));
  if (metAt !== undefined) fault.end?.(fault.rank);
  return { ends, ms: last - began, ...(metAt === undefined ? {} : { afterMs: last - metAt }) };
};

/** What is wrong with the end of a run that a fault met. */
const check = ({ ends, afterMs }, { name, rank }) => {
  const log = ends.map((end) => `rank ${end.rank} (code ${end.code}):\n${end.errors}`).join('\n');
  require(afterMs !== undefined, 'expected no error without a fault', log);
  require(afterMs < ENDING_MS, `expected an end within ${ENDING_MS} ms of ${name}, got ${afterMs}`, log);
  for (const end of ends) {
    if (end.rank === rank) continue;
    const told = errorsOf(end.errors);
    const isRight = end.code !== 0 && told.length === 1 && told[0].includes(`rank ${rank}`);
    require(isRight, `expected one error of rank ${end.rank} that names rank ${rank} after ${name}`, log);
  }
};

try {
  demolish();
  build();
  const chosen = possible();
  const recipe = await writeSuite(folder);
  const whole = await start(recipe, 'whole');
  const isWhole = whole.ends.every(({ code }) => code === 0);
  require(isWhole, 'expected a whole run', whole.ends.map(({ errors }) => errors).join('\n'));
  const expected = await outcomeOf(join(folder, 'whole'));
  let runs = 0;
  for (const [name, { endured, ...fault }] of chosen) {
    let [starts, slowest] = [0, 0];
    for (let met = 0; met < times;) {
      const run = `${name}-${runs}`;
      for (let isDone = false; !isDone;) {
        const rank = random.integer(size);
        const waitMs = endured ? 0 : random.next() * whole.ms;
        const blow = met < times ? { ...fault, name, rank, waitMs } : undefined;
        const started = await start(recipe, run, blow);
        starts += 1;
        isDone = started.ends.every(({ code }) => code === 0);
        if (endured && isDone) met += 1;
        if (isDone) continue;
        require(!endured, `expected a run in spite of ${name}`, started.ends
          .map(({ errors }) => errors)
          .join('\n'));
        check(started, blow ?? { name, rank });
        met += 1;
        slowest = Math.max(slowest, started.afterMs);
        console.log(`${name} ${met}: rank ${rank}, ended ${(started.afterMs / 1000).toFixed(1)} s later`);
      }
      require((await outcomeOf(join(folder, run))) ===
        expected, `expected ${run} to equal the whole run, got another`);
      runs += 1;
      await rm(join(folder, run), { recursive: true });
    }
    const ending = endured ? '' : `, all ranks ended within ${(slowest / 1000).toFixed(1)} s`;
    console.log(`${name}: ${times} times over ${starts} starts on ${size} machines (seed ${seed})${ending}`);
  }
  console.log(`${runs} runs finished, all equal to one that nothing met (time-out ${RANK_TIMEOUT} s)`);
} catch (error) {
  console.error(error instanceof Error ? error.stack : error);
  process.exitCode = 1;
} finally {
  demolish();
  await rm(folder, { recursive: true, force: true });
}
