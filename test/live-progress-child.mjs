/**
 * A process whose main thread computes without a pause, as a long step on the CPU does, while its bar should move.
 *
 * node live-progress-child.mjs FILE: draws on the file as if it were a terminal.
 */
import { openSync, readFileSync, writeSync } from 'node:fs';
import { createScreen, createProgress } from '@polygate/terminal';
import { createLogger } from '@polygate/core';

const file = process.argv[2];
const fd = openSync(file, 'a');
const screen = createScreen({ write: (text) => writeSync(fd, text), fd, isTTY: true, columns: 100 });
const logger = createLogger((_, message) => screen.write(`${message}\n`));
const progress = createProgress(screen, logger);
const report = (step, secondsLeft) => ({
  step,
  steps: 4,
  losses: { captioning: 4 - step },
  samplesPerSecond: 8,
  tokensPerSecond: 0,
  secondsLeft,
});

const frames = () => readFileSync(file, 'utf8').split('\r').length;
/** Holds the main thread, never turning to its event loop, until more frames were drawn by someone else. */
const step = () => {
  const wanted = frames() + 5;
  const hang = performance.now() + 60_000;
  while (frames() < wanted)
    if (performance.now() > hang) throw new Error('expected the bar to move, it stands still');
};

progress.start({ ...report(0, Number.NaN), losses: {}, samplesPerSecond: 0 });
step();
logger.info('a line of the logger');
step();
for (let i = 1; i <= 200; i += 1) progress.note(`note ${i}`);
progress.update(report(1, 300));
step();
progress.update(report(4, 0));
progress.stop();
logger.info('the end');
