import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exitCodes, main, memoryTerminal } from '../src/index.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const run = async (...argv: string[]): Promise<{ code: number; out: string; log: string }> => {
  const terminal = memoryTerminal();
  const code = await main(argv, terminal);
  return { code, out: terminal.out.join('\n'), log: terminal.log.join('\n') };
};

describe('polygate', () => {
  it('lists its stages and exit codes', async () => {
    const { code, out } = await run('--help');
    expect(code).toBe(exitCodes.done);
    for (const word of [
      'demo',
      'prepare',
      'pretrain',
      'evaluate',
      'predict',
      'export',
      'inspect',
      'doctor',
      '130 interrupted',
    ]) {
      expect(out).toContain(word);
    }
  });

  it('explains each stage', async () => {
    const pretrain = await run('pretrain', '--help');
    expect(pretrain.code).toBe(exitCodes.done);
    expect(pretrain.out).toContain('--resume');
    expect(pretrain.out).toContain('uni-perceiver-b');
    const classify = await run('predict', 'classify', '--help');
    expect(classify.out).toContain('--labels <words>');
    const exporting = await run('export', '--help');
    expect(exporting.code).toBe(exitCodes.done);
    expect(exporting.out).toContain('--tasks <names>');
    expect(exporting.out).toMatch(/token, context\)\s+cannot be merged/u);
    const inspect = await run('inspect', '--help');
    expect(inspect.code).toBe(exitCodes.done);
    expect(inspect.out).toMatch(/^ +interference /mu);
    expect(inspect.out).toMatch(/^ +report /mu);
    const interference = await run('inspect', 'interference', '--help');
    expect(interference.out).toContain('--directions <count>');
    expect(interference.out).toContain('--linear <names>');
    const report = await run('inspect', 'report', '--help');
    expect(report.out).toContain('--against <folder>');
  });

  it('finds recipes by own names only', async () => {
    for (const name of ['__proto__', 'toString', 'constructor']) {
      for (const stage of [['pretrain', '--describe'], ['prepare']]) {
        const { code, log } = await run(...stage, '--recipe', name);
        expect([code, log]).toEqual([exitCodes.usage, expect.stringContaining(`recipe "${name}": known: `)]);
      }
    }
  });

  it('skips a byte order mark in a recipe file and refuses UTF-16', async () => {
    const path = join(folder, 'marked.json');
    await writeFile(path, '\ufeff{"steps": 60}');
    expect((await run('pretrain', '--describe', '--recipe', path)).code).toBe(exitCodes.done);
    await writeFile(path, Buffer.from('\ufeff{"steps": 60}', 'utf16le'));
    const wide = await run('pretrain', '--describe', '--recipe', path);
    expect(wide.code).toBe(exitCodes.usage);
    expect(wide.log).toContain('marked.json: expected JSON in UTF-8, got UTF-16; save it as UTF-8');
  });

  it('names the nearest command', async () => {
    const { code, log } = await run('evalute');
    expect(code).toBe(exitCodes.usage);
    expect(log).toBe(
      'error: unknown command "evalute": did you mean "evaluate"? known: demo, doctor, engines, evaluate, export, inspect, predict, prepare, pretrain, tune',
    );
  });

  it('refuses what a recipe does not know, with the known names', async () => {
    const recipe = await run('pretrain', '--recipe', 'dem');
    expect(recipe.code).toBe(exitCodes.usage);
    expect(recipe.log).toContain('unknown pretrain recipe "dem": did you mean "demo"?');
    const setting = await run('pretrain', '--set', 'optimizer.lr=3');
    expect(setting.code).toBe(exitCodes.usage);
    expect(setting.log).toContain('unknown setting "optimizer.lr"');
    expect(setting.log).toContain('optimizer.learningRate');
    const engine = await run('pretrain', '--engine', 'wsam');
    expect(engine.code).toBe(exitCodes.usage);
    expect(engine.log).toContain('did you mean "wasm"?');
  });

  it('reads a recipe file, and says what is wrong with one that it cannot read', async () => {
    const good = join(folder, 'good.json');
    await writeFile(good, JSON.stringify({ model: { preset: 'ti-moe' } }));
    const described = await run('pretrain', '--recipe', good, '--describe');
    expect(described.code).toBe(exitCodes.done);
    expect(described.out).toContain('52,507,013');
    const bad = join(folder, 'bad.json');
    await writeFile(bad, '{');
    const refused = await run('pretrain', '--recipe', bad, '--describe');
    expect(refused.code).toBe(exitCodes.usage);
    expect(refused.log).toContain(`recipe ${bad}: expected a readable recipe file`);
  });

  it('prints the parameters of the paper without allocating them', async () => {
    const base = await run('pretrain', '--recipe', 'uni-perceiver-b', '--describe');
    // Table 6 and Table 4 of the paper: 38M vocabulary, 86M encoder, 124M in all, 167M deployed for image and text.
    expect(base.out).toMatch(/b-moe +768 +12 +12 +38M +86M +124M +167M/u);
    const large = await run('pretrain', '--recipe', 'uni-perceiver-l', '--describe');
    expect(large.out).toMatch(/l-moe +1024 +16 +24 +51M +303M +354M +505M/u);
  });

  it('says what a missing run and a wrong number need', async () => {
    const missing = await run(
      'predict',
      'fill',
      'call me ___',
      '--run',
      join(folder, 'nowhere'),
      '--engine',
      'cpu',
    );
    expect(missing.code).toBe(exitCodes.failed);
    expect(missing.log).toContain('run pretrain first');
    const count = await run('predict', 'fill', 'call me ___', '--run', folder, '--count', 'many');
    expect(count.code).toBe(exitCodes.usage);
    expect(count.log).toContain('--count: expected a whole number above 0, got "many"');
    const option = await run('evaluate');
    expect(option.code).toBe(exitCodes.usage);
    expect(option.log).toBe(
      'error: evaluate: expected --run FOLDER, or --compare A B, got neither; name the folder of a run or of a model',
    );
  });

  it('says what export and inspect lack', async () => {
    const lacking = await run('export', '--run', folder);
    expect(lacking.code).toBe(exitCodes.usage);
    expect(lacking.log).toContain("required option '--out <folder>' not specified");
    const type = await run('export', '--run', folder, '--out', folder, '--dtype', 'f16');
    expect(type.code).toBe(exitCodes.usage);
    expect(type.log).toContain('unknown type "f16": did you mean "bf16"? known: bf16, f32');
    const layers = await run('inspect', 'interference', '--run', folder, '--layers', '0,2');
    expect(layers.code).toBe(exitCodes.usage);
    expect(layers.log).toContain('--layers: expected a whole number above 0, got "0"');
    const report = await run('inspect', 'report', '--run', join(folder, 'nowhere'));
    expect(report.code).toBe(exitCodes.failed);
    expect(report.log).toContain('run pretrain first');
    const part = await run('inspect', 'reprot', '--run', folder);
    expect(part.code).toBe(exitCodes.usage);
    expect(part.log).toBe("error: unknown command 'reprot'\n(Did you mean report?)");
  });

  it('reports every engine of the ladder', async () => {
    const { code, out } = await run('doctor', '--json', '--no-speed');
    expect(code).toBe(exitCodes.done);
    const { engines } = JSON.parse(out) as {
      engines: { name: string; available: boolean; remedy?: string }[];
    };
    expect(engines.map(({ name }) => name)).toEqual(['torch', 'tfjs-node-gpu', 'tfjs-node', 'wasm', 'cpu']);
    for (const engine of engines) if (!engine.available) expect(engine.remedy, engine.name).toBeTruthy();
    expect(engines.find(({ name }) => name === 'cpu')?.available).toBe(true);
  });
});
