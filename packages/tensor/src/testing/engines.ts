/** The engines that this machine can test: cpu and wasm always, torch where LibTorch is. */
import type { EngineName, Precision } from '../engine-loaders.ts';
import { probeEngines, selectEngine } from '../engine.ts';

/** An engine to run a test body on. */
export interface TestEngine {
  /** e.g. `torch bf16`, for test titles. */
  readonly title: string;
  readonly name: EngineName;
  readonly precision: Precision;
  /** Relative tolerance that follows from the format: products keep 8 bits in bf16 and 24 in f32. */
  readonly tolerance: number;
  /** Makes it the current engine. */
  readonly use: () => Promise<void>;
}

const engine = (name: EngineName, precision: Precision): TestEngine => ({
  title: precision === 'f32' ? name : `${name} ${precision}`,
  name,
  precision,
  tolerance: precision === 'f32' ? 2e-5 : 5e-2,
  use: async () => {
    await selectEngine({ engine: name, precision });
  },
});

/** Engines of this machine, for `describe.each(await testEngines())`. `POLYGATE_TEST_ENGINES=cpu,wasm` narrows them. */
export const testEngines = async (): Promise<TestEngine[]> => {
  const wanted = process.env['POLYGATE_TEST_ENGINES']?.split(',');
  const reports = await probeEngines();
  const has = (name: EngineName): boolean =>
    reports.some((report) => report.name === name && report.available) && (wanted?.includes(name) ?? true);
  const engines: TestEngine[] = [];
  if (has('cpu')) engines.push(engine('cpu', 'f32'));
  if (has('wasm')) engines.push(engine('wasm', 'f32'));
  if (has('torch')) engines.push(engine('torch', 'f32'), engine('torch', 'bf16'));
  return engines;
};

/** Runs `body` on every engine of this machine, one after the other. */
export const eachEngine = async (body: (engine: TestEngine) => Promise<void> | void): Promise<void> => {
  for (const each of await testEngines()) {
    await each.use();
    await body(each);
  }
};
