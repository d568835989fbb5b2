/** The engine ladder: which engine is taken, what is said about it, and what is refused how. */
import { ConfigError, createLogger, EngineError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { probeEngines, selectEngine, type EngineName } from '../src/index.ts';
import { findTensorflowPackage } from '../src/node/tensorflow/tensorflow-package.ts';

const failure = async (run: () => Promise<unknown>): Promise<unknown> => {
  try {
    await run();
    return undefined;
  } catch (error) {
    return error;
  }
};

const ladder: EngineName[] = ['torch', 'tfjs-node-gpu', 'tfjs-node', 'wasm', 'cpu'];

describe('selectEngine', () => {
  it('auto takes the first available engine of the ladder and names all better ones with their remedies', async () => {
    const lines: string[] = [];
    const choice = await selectEngine({ logger: createLogger((_, line) => lines.push(line)) });
    const available = (await probeEngines())
      .filter((report) => report.available)
      .map((report) => report.name);
    expect(choice.name).toBe(available[0]);
    expect(choice.passedOver.map(({ name }) => name)).toEqual(ladder.slice(0, ladder.indexOf(choice.name)));
    for (const { why, remedy } of choice.passedOver) {
      expect(why).not.toBe('');
      expect(remedy).not.toBe('');
      expect(choice.line).toContain(remedy);
    }
    expect(lines).toEqual([choice.line]);
    expect(choice.line).not.toContain('\n');
  });

  it('makes the engine asked for current, and says so', async () => {
    const choice = await selectEngine({ engine: 'wasm' });
    expect(tf.getBackend()).toBe('wasm');
    expect(choice).toMatchObject({
      name: 'wasm',
      device: 'cpu',
      precision: 'f32',
      deterministic: true,
      passedOver: [],
    });
    expect(choice.line).toBe('engine wasm on cpu, f32 (WebAssembly with SIMD), as asked');
    const sum = tf.sum(tf.tensor1d([1, 2, 3]));
    expect(sum.dataSync()[0]).toBe(6);
    sum.dispose();
  });

  it('selecting or probing an engine again keeps its tensors', async () => {
    const { name } = await selectEngine();
    const kept = tf.tensor1d([1, 2]);
    await selectEngine({ engine: 'cpu' });
    await probeEngines();
    await selectEngine({ engine: name });
    expect([...kept.dataSync()]).toEqual([1, 2]);
    kept.dispose();
  });

  it('an engine asked for that is missing is an EngineError with the remedy', async (context) => {
    const name = (['tfjs-node-gpu', 'tfjs-node'] as const).find((each) => !findTensorflowPackage(each));
    if (!name) return context.skip('both packages of TensorFlow are installed here');
    const error = await failure(() => selectEngine({ engine: name }));
    expect(error).toBeInstanceOf(EngineError);
    expect((error as EngineError).message).toBe(
      `engine ${name}: expected it to start, got: @tensorflow/${name} is not installed; npm install @tensorflow/${name} --ignore-scripts, then \`npx polygate engines build ${name}\``,
    );
    expect((error as EngineError).code).toBe('engine-missing');
  });

  it('an unknown engine lists the known, the nearest first', async () => {
    const error = await failure(() => selectEngine({ engine: 'wsam' as EngineName }));
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).message).toBe(
      'unknown engine "wsam": did you mean "wasm"? known: auto, cpu, tfjs-node, tfjs-node-gpu, torch, wasm',
    );
  });

  it.each([
    [{ device: 'gpu' }, 'device: expected cpu, cuda or cuda:N, got "gpu"'],
    [{ precision: 'f16' as 'f32' }, 'unknown precision "f16": did you mean "bf16"? known: auto, bf16, f32'],
    [{ threads: 0 }, 'threads: expected a whole number above 0, got 0'],
  ])('refuses %o', async (options, text) => {
    const error = await failure(() => selectEngine(options));
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).message).toBe(text);
  });

  it('an engine that lacks the precision or device asked for says which it has', async () => {
    const precision = await failure(() => selectEngine({ engine: 'wasm', precision: 'bf16' }));
    expect((precision as EngineError).message).toBe(
      'engine wasm: expected it to start, got: it has no bf16; use --precision f32 for it',
    );
    const choice = await selectEngine({ engine: 'wasm', precision: 'bf16', precisionRequired: false });
    expect([choice.name, choice.precision]).toEqual(['wasm', 'f32']);
    expect(choice.reason).toBe('as asked; bf16 needs torch');
    const device = await failure(() => selectEngine({ engine: 'wasm', device: 'cuda' }));
    expect((device as EngineError).message).toBe(
      'engine wasm: expected it to start, got: it has no device cuda; use --device cpu for it',
    );
  });
});

describe('probeEngines', () => {
  it('reports every engine of the ladder once and leaves the current one', async () => {
    await selectEngine({ engine: 'cpu' });
    const reports = await probeEngines();
    expect(tf.getBackend()).toBe('cpu');
    expect(reports.map(({ name }) => name)).toEqual(ladder);
    for (const report of reports) {
      if (report.available) expect(report.description).toBeTruthy();
      else expect(report.remedy).toBeTruthy();
    }
    expect(reports.find(({ name }) => name === 'cpu')?.available).toBe(true);
  });
});
