/** The bar of a run as a person sees it: on the built packages, with its thread, and on a real pseudo terminal. */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { exitCodes } from 'polygate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareSmallSuite, smallTrainingRecipe } from './small-suite.ts';

const root = join(import.meta.dirname, '..');
/** Makes pseudo terminals; part of every Linux. */
const script = '/usr/bin/script';
const timeout = 120_000;

let folder = '';
beforeAll(async () => {
  if (!existsSync(join(root, 'apps/polygate/dist/index.js')))
    throw new Error('expected built packages, got none; run npm run build first');
  folder = await mkdtemp(join(tmpdir(), 'polygate-progress-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What stands on a terminal after it was sent some text: returns, emptied lines and ends of lines. */
const linesOf = (text: string): string[] => {
  const lines = [''];
  let column = 0;
  for (const [part] of text.matchAll(/\u001b\[2K|[\s\S]/gu)) {
    const line = lines.at(-1) ?? '';
    if (part === '\r') column = 0;
    else if (part === '\n') {
      lines.push('');
      column = 0;
    } else if (part === '\u001b[2K') lines[lines.length - 1] = ' '.repeat(column);
    else {
      const characters = [...line.padEnd(column)];
      characters[column] = part;
      lines[lines.length - 1] = characters.join('');
      column += 1;
    }
  }
  return lines.map((line) => line.trimEnd());
};

describe('the bar', () => {
  it('moves while the main thread is held, and tears no line', { timeout }, async () => {
    const file = join(folder, 'terminal');
    await writeFile(file, '');
    await promisify(execFile)(process.execPath, [join(import.meta.dirname, 'live-progress-child.mjs'), file]);
    const text = await readFile(file, 'utf8');
    const full = '█'.repeat(20);
    expect(linesOf(text)).toEqual([
      'a line of the logger',
      ...Array.from({ length: 200 }, (_, i) => `note ${i + 1}`),
      expect.stringMatching(
        new RegExp(
          `^${full} \\d\\d:\\d\\d step 4/4 \\| loss captioning 0\\.000 \\| 8\\.00 samples/s \\| ETA 00:00$`,
          'u',
        ),
      ),
      'the end',
      '',
    ]);
    // Signs that turned before the first step, and between the first and the last.
    const frames = text.split('\r').filter((frame) => frame.includes('█') || frame.includes('░'));
    const signs = (step: string): number =>
      new Set(
        frames.filter((frame) => frame.includes(step)).map((frame) => [...frame.replace('\u001b[2K', '')][0]),
      ).size;
    expect(signs('step 0/4')).toBeGreaterThan(3);
    expect(signs('step 1/4')).toBeGreaterThan(3);
  });

  it.skipIf(!existsSync(script))(
    'shares a pseudo terminal with lines and Ctrl-C, and its run ends with a checkpoint',
    { timeout },
    async () => {
      const { directory } = await prepareSmallSuite(folder);
      const recipe = join(folder, 'recipe.json');
      const content = {
        ...smallTrainingRecipe(directory),
        steps: '100000 steps',
        validation: { every: '100%' },
      };
      await writeFile(recipe, JSON.stringify(content));
      const polygate = join(root, 'apps/polygate/bin/polygate.js');
      const command = `${process.execPath} ${polygate} pretrain --recipe ${recipe} --run ${folder}/run --engine cpu`;
      const env = { ...process.env, TERM: 'xterm', COLUMNS: '', OMP_NUM_THREADS: '1' };
      const child = spawn(script, ['-qefc', command, '/dev/null'], {
        env,
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      let text = '';
      let interrupted = false;
      child.stdout.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        if (interrupted || !/step [1-9]\d*\/100000/u.test(text)) return;
        interrupted = true;
        // The key: the terminal makes a signal of it.
        child.stdin.write('\u0003');
      });
      const code = await new Promise<number | null>((resolve, reject) => {
        child.once('error', reject);
        child.once('close', resolve);
      });
      expect(code).toBe(exitCodes.interrupted);
      const lines = linesOf(text);
      const at = (line: string | RegExp): number => lines.findIndex((each) => each.search(line) >= 0);
      expect(lines).toContain('stopping after this step; once more to stop at once');
      expect(at(/^checkpoint .*step-\d+$/u)).toBeGreaterThan(at('stopping after this step'));
      expect(at(/^stopped after step \d+; the same command resumes from/u)).toBeGreaterThan(
        at(/^checkpoint/u),
      );
      // The bar is left once, as the last line of its own.
      expect(lines.filter((line) => /[█░]/u.test(line))).toEqual([
        expect.stringMatching(/^[█░]{20} \d\d:\d\d step/u),
      ]);
      expect(at(/[█░]/u)).toBeGreaterThan(at(/^stopped after step/u));
    },
  );
});
