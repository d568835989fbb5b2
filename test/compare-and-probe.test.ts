/** `evaluate --compare` and `evaluate --probe` through the command line: two runs of one recipe, other seeds. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { polygate } from './polygate.ts';
import { prepareSmallSuite, smallTrainingRecipe } from './small-suite.ts';

let scratch: string;
const runs: string[] = [];
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'polygate-compare-and-probe-'));
  const { directory } = await prepareSmallSuite(scratch);
  const { colours } = smallTrainingRecipe(directory).tasks;
  for (const [i, steps] of ['1 step', '60 steps'].entries()) {
    const recipe = { ...smallTrainingRecipe(directory), tasks: { colours }, steps, seed: 7 };
    const file = join(scratch, `recipe-${i}.json`);
    await writeFile(file, JSON.stringify(recipe));
    const run = join(scratch, `run-${i}`);
    const { code, log } = await polygate('pretrain', '--recipe', file, '--run', run);
    expect([code, log]).toEqual([0, expect.any(String)]);
    runs.push(run);
  }
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

describe('evaluate --compare', () => {
  it('tells two evaluated runs apart, in words and as JSON', async () => {
    const [a = '', b = ''] = runs;
    const early = await polygate('evaluate', '--compare', a, b);
    expect(early.code).toBe(1);
    expect(early.log).toContain(`evaluate the run first: polygate evaluate --run ${a}`);
    for (const run of runs) {
      const { code, out } = await polygate('evaluate', '--run', run, '--datasets', 'colours', '--details');
      expect(code).toBe(0);
      expect(out).toContain('balanced accuracy');
      expect(out).toContain('ECE (15 bins) (lower is better)');
    }
    const { code, out } = await polygate('evaluate', '--compare', a, b, '--out', scratch);
    expect(code).toBe(0);
    expect(out).toContain(`A: ${a}\nB: ${b}\n`);
    expect(out).toMatch(
      /colours classification, test, top-1 .*(?:is better|that \d+ samples show|every sample)/u,
    );
    expect(await readFile(join(scratch, 'comparison.md'), 'utf8')).toContain('# Comparison');
    const json = await polygate('evaluate', '--compare', a, a, '--json');
    const compared = JSON.parse(json.out) as { scores: readonly { verdict: string }[] };
    expect(compared.scores.map(({ verdict }) => verdict)).toContain('the same on every sample');
  });

  it('takes two runs and nothing beside them', async () => {
    const [a = ''] = runs;
    const one = await polygate('evaluate', '--compare', a);
    expect(one.code).toBe(2);
    expect(one.log).toContain(
      'evaluate --compare: expected two evaluated runs and neither --run nor --probe, got 1; as in: polygate evaluate --compare runs/a runs/b',
    );
    const none = await polygate('evaluate');
    expect(none.code).toBe(2);
    expect(none.log).toContain('evaluate: expected --run FOLDER, or --compare A B, got neither');
  });
});

describe('evaluate --probe', () => {
  it('prints the scores of both probes and writes them', async () => {
    const [a = ''] = runs;
    const { code, out, log } = await polygate('evaluate', '--probe', '--run', a);
    expect(code).toBe(0);
    expect(out).toMatch(/colours probe +test +linear probe top-1/u);
    expect(out).toMatch(/colours probe +test +\d+-NN top-1/u);
    expect(log).toContain('probe.json');
  });
});
