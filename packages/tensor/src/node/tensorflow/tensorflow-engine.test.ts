/** The rungs of TensorFlow on a package that does in this process what tfjs-node does, without a TensorFlow. */
import { EngineError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import util from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { registerGradients } from '../../register-gradients.ts';
import { tensorflowLoader } from './tensorflow-engine.ts';
import { findTensorflowPackage } from './tensorflow-package.ts';

const request = { device: 'cuda', precision: 'f32', deterministic: false } as const;
const installed = findTensorflowPackage('tfjs-node-gpu') !== undefined;
const home = process.cwd();

/** What the package does when it is required: two registrations, a deprecated call, and itself as current backend. */
const entry = `
const tf = require(${JSON.stringify(createRequire(import.meta.url).resolve('@tensorflow/tfjs'))});
const util = require('util');
if (!util.isNullOrUndefined(undefined) || util.isNullOrUndefined(0) || !util.isArray([])) throw new Error('util');
process.emitWarning('an old function', 'DeprecationWarning', 'DEP0000');
tf.registerKernel({ kernelName: 'Add', backendName: 'cpu', kernelFunc: tf.getKernel('Add', 'cpu').kernelFunc });
tf.registerGradient({ kernelName: 'Cumsum', gradFunc: () => ({}) });
class Backend extends tf.KernelBackend {
  constructor() { super(); this.isUsingGpuDevice = globalThis.tensorflowSeesGpu; this.binding = { TF_Version: '2.21.0' }; }
  dispose() {}
}
tf.registerBackend('tensorflow', () => new Backend(), 3);
tf.setBackend('tensorflow');
`;

let root = '';
const put = (path: string, text: string): void => {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), text);
};
const failure = async (work: Promise<unknown>): Promise<EngineError> => {
  const error: unknown = await work.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(EngineError);
  return error as EngineError;
};

describe.skipIf(installed)('tensorflowLoader', () => {
  const folder = 'node_modules/@tensorflow/tfjs-node-gpu';
  const loader = tensorflowLoader('tfjs-node-gpu', 'cuda');
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'polygate-tensorflow-'));
    process.chdir(root);
  });
  afterAll(() => {
    process.chdir(home);
    rmSync(root, { recursive: true, force: true });
  });
  beforeEach(() => vi.stubEnv('TF_CPP_MIN_LOG_LEVEL', undefined));
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
    if (tf.engine().registryFactory['tensorflow']) tf.removeBackend('tensorflow');
  });

  it('an absent package names both commands', async () => {
    const error = await failure(loader.load(request));
    expect(error.message).toBe('@tensorflow/tfjs-node-gpu is not installed');
    expect(error.fields['remedy']).toBe(
      'npm install @tensorflow/tfjs-node-gpu --ignore-scripts, then `npx polygate engines build tfjs-node-gpu`',
    );
  });

  it('a package without its binding names the command that builds it', async () => {
    put(`${folder}/package.json`, '{"name": "@tensorflow/tfjs-node-gpu", "version": "4.22.0"}');
    put(`${folder}/dist/index.js`, entry);
    const error = await failure(loader.load(request));
    expect(error.message).toBe('@tensorflow/tfjs-node-gpu 4.22.0 is installed without its binding');
    expect(error.fields['remedy']).toBe('`npx polygate engines build tfjs-node-gpu`');
  });

  it('a package that does not load says what its binding was built against', async () => {
    put(`${folder}/lib/napi-v8/tfjs_binding.node`, '');
    put(`${folder}/lib/napi-v8/polygate-build.json`, '{"version": "2.21.0", "root": "/gone/tensorflow"}');
    put(`${folder}/dist/index.js`, `throw new Error('no library\\nsecond line')`);
    const error = await failure(loader.load(request));
    expect(error.message).toBe(
      '@tensorflow/tfjs-node-gpu 4.22.0 does not load: no library (built against TensorFlow 2.21.0 in /gone/tensorflow)',
    );
    expect(error.fields['remedy']).toBe('build it again: `npx polygate engines build tfjs-node-gpu --force`');
  });

  it('loads without a trace: current backend, gradients, terminal and settings are as before', async () => {
    put(`${folder}/dist/index.js`, entry);
    // A module that failed to load is not remembered; this one is, once it has loaded.
    vi.stubGlobal('tensorflowSeesGpu', true);
    await tf.setBackend('cpu');
    registerGradients();
    const gradient = tf.getGradient('Cumsum');
    const kept = tf.tensor1d([1, 2]);
    const warn = vi.spyOn(console, 'warn');
    const warnings: string[] = [];
    const note = ({ message }: Error): number => warnings.push(message);
    process.on('warning', note);
    // As in Node 23 and later.
    for (const gone of ['isNullOrUndefined', 'isArray']) Reflect.deleteProperty(util, gone);

    expect(await loader.load(request)).toEqual({
      backendName: 'tensorflow',
      device: 'cuda',
      precision: 'f32',
      deterministic: false,
      description: 'TensorFlow 2.21.0 through tfjs-node-gpu',
      version: '4.22.0',
      identity: '2.21.0',
    });
    expect(tf.getBackend()).toBe('cpu');
    expect([...kept.dataSync()]).toEqual([1, 2]);
    expect(tf.getGradient('Cumsum')).toBe(gradient);
    expect(warn).not.toHaveBeenCalled();
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', note);
    expect(warnings).toEqual([]);
    expect(process.noDeprecation ?? false).toBe(false);
    expect(tf.env().getBool('PROD')).toBe(false);
    expect(process.env['TF_CPP_MIN_LOG_LEVEL']).toBe('2');
    kept.dispose();
  });

  it('a process has one TensorFlow, which serves the rung of its device', async () => {
    class Backend extends tf.KernelBackend {
      readonly isUsingGpuDevice = false;
      override dispose(): void {}
    }
    tf.registerBackend('tensorflow', () => new Backend());
    const error = await failure(loader.load(request));
    expect(error.message).toBe('TensorFlow found no GPU');
    expect(error.fields['remedy']).toBe('TF_CPP_MIN_LOG_LEVEL=0 shows why; or use tfjs-node');
  });
});
