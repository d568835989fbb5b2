/** The child process of the fuzz: judges the inputs of one target and tells the parent of each before it begins. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { caseOf, inputOf, judge } from './fuzz-case.ts';
import { fuzzTargets } from './targets.ts';

/** What the parent asks for: inputs `from` up to `to` of a target. */
interface Request {
  readonly name: string;
  readonly seed: number;
  readonly from: number;
  readonly to: number;
  /** Growth of memory beyond which an input is worth a look, MiB. */
  readonly notableMiB: number;
}

const MIB = 2 ** 20;
const send = (message: object): void => {
  process.send?.(message);
};

/** Most memory that the process has had, MiB. */
const peak = (): number => process.resourceUsage().maxRSS / 1024;

const work = async ({ name, seed, from, to, notableMiB }: Request): Promise<void> => {
  const target = fuzzTargets.find((each) => each.name === name);
  if (!target) throw new Error(`no target ${name}`);
  const root = await mkdtemp(join(tmpdir(), 'polygate-fuzz-'));
  send({ kind: 'folder', folder: root });
  await mkdir(join(root, name));
  const open = await target.open(join(root, name));
  for (let index = from; index < to; index += 1) {
    send({ kind: 'begin', index });
    const bytes = inputOf(target, open, caseOf(target, seed, index));
    const before = process.memoryUsage().rss / MIB;
    const high = peak();
    const start = performance.now();
    const verdict = await judge(target, open, bytes);
    const ms = performance.now() - start;
    // The peak tells of this input only where it rose.
    const grown = peak() > high ? peak() - before : 0;
    send({ kind: 'end', index, verdict, ms, grownMiB: grown, peakMiB: peak() });
    if (verdict.kind === 'wrong' || grown > notableMiB)
      send({ kind: 'input', index, base64: Buffer.from(bytes).toString('base64') });
  }
  await open.close?.();
  await rm(root, { recursive: true, force: true });
  // A full pipe queues messages, and disconnecting drops what is queued: a loaded machine lost the last verdicts.
  await new Promise<void>((sent, lost) => {
    process.send?.({ kind: 'done' }, undefined, undefined, (error) => (error ? lost(error) : sent()));
  });
};

process.on('message', (request: Request) => {
  work(request).then(
    () => process.disconnect(),
    (error: unknown) => {
      send({
        kind: 'broken',
        problem: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
      process.exit(1);
    },
  );
});
process.on('unhandledRejection', (error) => {
  send({ kind: 'stray', problem: error instanceof Error ? (error.stack ?? error.message) : String(error) });
});
send({ kind: 'ready', targets: fuzzTargets.map(({ name }) => name) });
