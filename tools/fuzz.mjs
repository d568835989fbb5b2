/**
 * Feeds damaged files to every parser and judges what comes of them:
 *
 *   node tools/fuzz.mjs --count 100000 --seed 1 [--only NAME]... [--from INDEX] [--out FOLDER]
 *
 * Each input is a valid file with one to four steps of damage: of its bytes, or of its structure with checksums and
 * lengths made to fit again. Good is a typed error of the target's own kinds, or a value that is that of the input.
 * Bad are untyped errors, other values, errors nobody waits for, an input that takes longer than the watchdog waits, a
 * process that dies, and more memory than the bound. A bad input is saved with the words that make it again.
 * Targets run one after another, each in a process of its own. Needs built packages (npm run build). Exits with 1 when
 * anything was bad. The targets and the damage are tools/fuzz/; test/fuzz.test.ts is the short form.
 */
import { fork } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', multiple: true, default: [] },
    from: { type: 'string', default: '0' },
    out: { type: 'string', default: 'runs/fuzz' },
  },
});
const count = Number(values.count);
const seed = Number(values.seed);
const first = Number(values.from);
if (!(count > 0) || !Number.isSafeInteger(seed) || !(first >= 0)) {
  console.error(
    'usage: node tools/fuzz.mjs --count N --seed N [--only NAME]... [--from INDEX] [--out FOLDER]',
  );
  process.exit(2);
}

/** Longest time that one input may take, ms: a hundred times what the slowest takes, so a busy machine does no harm. */
const PATIENCE_MS = 20_000;
/** Time for a process to start and make its valid inputs. */
const START_MS = 120_000;
/** Heap of the process, MiB: what holds more than an input's own share runs against it. */
const HEAP_MIB = 512;
/** Most memory of the process, MiB, native memory and all. */
const PEAK_MIB = 1536;
/** Most that one input may make it grow, MiB. */
const GROWTH_MIB = 384;
const REPORT_MS = 10_000;

const root = join(import.meta.dirname, '..');
const script = join(root, 'node_modules', '.cache', 'polygate-fuzz', 'worker.mjs');
await build({
  entryPoints: [join(root, 'tools', 'fuzz', 'worker.ts')],
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  packages: 'external',
  outfile: script,
  logLevel: 'error',
});

const start = () => {
  const child = fork(script, {
    execArgv: [`--max-old-space-size=${HEAP_MIB}`],
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors = `${errors}${chunk}`.slice(-4000);
  });
  return { child, errors: () => errors };
};

const listTargets = async () => {
  const { child } = start();
  const names = await new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message.targets));
    child.once('exit', (code) => reject(new Error(`the worker ended with ${code}`)));
  });
  child.kill();
  return names;
};

/** Runs inputs from..to of a target in one process; gives the index behind the last that was judged. */
const runPart = (name, from, to, tell) =>
  new Promise((resolve) => {
    const { child, errors } = start();
    let index = from;
    let ended = from;
    let folder;
    let over = false;
    const timer = { handle: undefined };
    const wait = (ms) => {
      clearTimeout(timer.handle);
      timer.handle = setTimeout(() => {
        over = true;
        tell.bad(index, `no answer within ${ms / 1000} s`);
        child.kill('SIGKILL');
      }, ms);
    };
    wait(START_MS);
    child.on('message', (message) => {
      if (over && message.kind !== 'input') return;
      if (message.kind === 'ready') child.send({ name, seed, from, to, notableMiB: GROWTH_MIB });
      else if (message.kind === 'folder') folder = message.folder;
      else if (message.kind === 'begin') {
        index = message.index;
        wait(PATIENCE_MS);
      } else if (message.kind === 'end') {
        ended = message.index + 1;
        tell.end(message);
        if (message.grownMiB > GROWTH_MIB || message.peakMiB > PEAK_MIB) {
          over = true;
          tell.bad(
            index,
            `a process of ${Math.round(message.peakMiB)} MiB, ${Math.round(message.grownMiB)} MiB of them by this input`,
          );
          // What it took may have stayed; the next inputs get a process of their own.
          setTimeout(() => child.kill('SIGKILL'), 200);
        }
      } else if (message.kind === 'input') tell.save(message.index, Buffer.from(message.base64, 'base64'));
      else if (message.kind === 'stray')
        tell.bad(index, `an error that nobody waited for: ${message.problem}`);
      else if (message.kind === 'broken') {
        over = true;
        tell.bad(index, `the target does not open: ${message.problem}`);
        ended = to;
      }
    });
    // Messages may still be on their way when the process has ended.
    const drained = new Promise((settle) => child.once('disconnect', settle));
    child.on('exit', async (code, signal) => {
      await drained;
      clearTimeout(timer.handle);
      const finished = code === 0 && ended >= to;
      if (!finished && !over)
        tell.bad(index, `the process ended with ${signal ?? code}: ${errors().slice(-600)}`);
      if (!finished && folder) await rm(folder, { recursive: true, force: true });
      resolve(finished ? to : Math.max(ended, index + 1));
    });
  });

const names = (await listTargets()).filter((name) => values.only.length === 0 || values.only.includes(name));
if (names.length === 0) {
  console.error(`no target ${values.only.join(', ')}; known: ${(await listTargets()).join(', ')}`);
  process.exit(2);
}
const share = Math.ceil(count / names.length);
const begun = performance.now();
let done = 0;
let reported = begun;
let bad = 0;
const rows = [];
for (const name of names) {
  const row = { name, inputs: 0, typed: 0, right: 0, bad: 0, slowestMs: 0, mostMiB: 0, codes: new Map() };
  const saves = [];
  const tell = {
    end({ index, verdict, ms, grownMiB }) {
      row.inputs += 1;
      done += 1;
      row.slowestMs = Math.max(row.slowestMs, ms);
      row.mostMiB = Math.max(row.mostMiB, grownMiB);
      if (verdict.kind === 'wrong') tell.bad(index, verdict.problem);
      else row[verdict.kind] += 1;
      if (verdict.kind === 'typed') row.codes.set(verdict.code, (row.codes.get(verdict.code) ?? 0) + 1);
      if (performance.now() - reported > REPORT_MS) {
        reported = performance.now();
        console.log(
          `${name}: ${row.inputs} of ${share}; ${done} inputs in ${Math.round((reported - begun) / 1000)} s, ${bad} bad`,
        );
      }
    },
    bad(index, problem) {
      row.bad += 1;
      bad += 1;
      console.log(`BAD ${name} ${index}: ${problem}`);
      console.log(`    again: node tools/fuzz.mjs --only ${name} --seed ${seed} --from ${index} --count 1`);
    },
    save(index, bytes) {
      const path = join(values.out, `${name}-${seed}-${index}.input`);
      saves.push(mkdir(values.out, { recursive: true }).then(() => writeFile(path, bytes)));
      console.log(`    input: ${path}`);
    },
  };
  for (let from = first; from < first + share;) from = await runPart(name, from, first + share, tell);
  await Promise.all(saves);
  rows.push(row);
}

const seconds = Math.round((performance.now() - begun) / 1000);
console.log(`\n${'parser'.padEnd(22)} inputs   typed   right  bad  slowest ms  most MiB  errors`);
for (const { name, inputs, typed, right, bad: wrong, slowestMs, mostMiB, codes } of rows) {
  const numbers = [inputs, typed, right].map((value) => String(value).padStart(7)).join(' ');
  const top = [...codes]
    .sort((a, b) => b[1] - a[1])
    .slice(0, 4)
    .map(([code, times]) => `${code} ${times}`);
  console.log(
    `${name.padEnd(21)} ${numbers} ${String(wrong).padStart(4)} ${slowestMs.toFixed(0).padStart(11)} ${mostMiB.toFixed(0).padStart(9)}  ${top.join(', ')}`,
  );
}
console.log(`\n${done} inputs, ${bad} bad, in ${seconds} s (seed ${seed})`);
process.exit(bad > 0 ? 1 : 0);
