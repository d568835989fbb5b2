/** The engines that this machine can test: cpu and wasm always, TensorFlow and torch where they are. */
import { ConfigError, EngineError, unknownName } from '@polygate/core';
import { engineNames } from '../engine-loaders.ts';
import type { EngineName, Precision } from '../engine-names.ts';
import { probeEngines, selectEngine, type EngineReport } from '../engine.ts';

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

/** Precisions in which each engine is tested, in the order of the tests. */
const tested: ReadonlyMap<EngineName, readonly Precision[]> = new Map([
  ['cpu', ['f32']],
  ['wasm', ['f32']],
  ['tfjs-node', ['f32']],
  ['tfjs-node-gpu', ['f32']],
  ['torch', ['f32', 'bf16']],
]);

/** Names of engines in a variable of the environment, separated by commas; undefined where it is not set. */
const namesIn = (variable: string): EngineName[] | undefined => {
  const text = process.env[variable]?.trim();
  if (!text) return undefined;
  return text.split(',').map((part) => {
    const name = engineNames.find((candidate) => candidate === part.trim());
    if (name === undefined) {
      throw new ConfigError(`${variable}: ${unknownName('engine', part.trim(), engineNames).message}`);
    }
    return name;
  });
};

/** Whether tests run on this engine here. */
const isTested = (name: EngineName, reports: readonly EngineReport[]): boolean =>
  reports.some((report) => report.name === name && report.available) &&
  (namesIn('POLYGATE_TEST_ENGINES')?.includes(name) ?? true);

/**
 * Holds the tests to the engines that they were promised on: `POLYGATE_REQUIRE_ENGINES=torch,tfjs-node`.
 * @throws EngineError naming each engine that is required and would not be tested, with why and the remedy
 */
export const requireTestEngines = (reports: readonly EngineReport[]): void => {
  const absent = (namesIn('POLYGATE_REQUIRE_ENGINES') ?? []).filter((name) => !isTested(name, reports));
  if (absent.length === 0) return;
  const reasons = absent.map((name) => {
    const { why, remedy } = reports.find((report) => report.name === name) ?? {};
    return `${name}: ${why === undefined ? 'POLYGATE_TEST_ENGINES leaves it out' : `${why} (${remedy ?? ''})`}`;
  });
  throw new EngineError(
    `POLYGATE_REQUIRE_ENGINES: expected tests on ${absent.join(', ')}, got none; ${reasons.join('; ')}`,
    { code: 'engine-missing', fields: { absent } },
  );
};

/**
 * Engines of this machine, for `describe.each(await testEngines())`. `POLYGATE_TEST_ENGINES=cpu,wasm` narrows them,
 * `POLYGATE_REQUIRE_ENGINES=torch` makes the absence of one an error.
 */
export const testEngines = async (): Promise<TestEngine[]> => {
  const reports = await probeEngines();
  requireTestEngines(reports);
  return [...tested].flatMap(([name, precisions]) =>
    isTested(name, reports) ? precisions.map((precision) => engine(name, precision)) : [],
  );
};

/** Runs `body` on every engine of this machine, one after the other. */
export const eachEngine = async (body: (engine: TestEngine) => Promise<void> | void): Promise<void> => {
  for (const each of await testEngines()) {
    await each.use();
    await body(each);
  }
};
