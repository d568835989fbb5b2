/** The probe of a frozen model: nearest neighbours and a linear probe on its embeddings -> probe.json. */
import { silentLogger } from '@polygate/core';
import { requireWritable, writeFileAtomic } from '@polygate/core/node';
import type { ScoreReport } from '@polygate/evaluation';
import { probeSuite, type ProbeOptions as SuiteProbeOptions } from '@polygate/generalist';
import { openRun, type OpenRunOptions } from '@polygate/runs';
import type { EngineChoice } from '@polygate/tensor';
import { join } from 'node:path';
import type { EvaluateContext } from './evaluate.ts';
import { serializeOutcomes } from './outcomes.ts';
import { resultsFolder } from './results-folder.ts';

export interface ProbeRunOptions
  extends Omit<OpenRunOptions, 'logger'>, Omit<SuiteProbeOptions, 'logger' | 'signal'> {
  /** Folder of a run or of a model, or a package with a model. */
  readonly run: string;
  /** Folder of a prepared suite. @default the one that the run was trained on */
  readonly suite?: string;
  /** Where the results go. @default the run folder */
  readonly output?: string;
}

export interface ProbeResult {
  readonly scores: readonly ScoreReport[];
  readonly engine: EngineChoice;
  /** Paths of what was written. */
  readonly files: { readonly probe: string; readonly outcomes: string };
}

/**
 * Probes a run or an exported model on the datasets of a suite that have classes.
 * @throws as `evaluate`; ConfigError for a model that embeds nothing, and where there is nothing to probe
 */
export const probeRun = async (
  options: ProbeRunOptions,
  context: EvaluateContext = {},
): Promise<ProbeResult> => {
  const { logger = silentLogger, signal } = context;
  const { run, seed = 1 } = options;
  using opened = await openRun(run, { ...options, logger });
  const { model, engine, recipe, state } = opened;
  await using data = await opened.openSuite(options.suite);
  const output = options.output ?? (await resultsFolder(run, opened, data));
  await requireWritable(output);
  logger.info(`probe ${opened.weights} on ${data.folder}`);
  const reports = await probeSuite(model, data, { ...options, logger, ...(signal ? { signal } : {}) });
  const scores = reports.map(({ outcomes: _, ...report }): ScoreReport => report);
  const files = { probe: join(output, 'probe.json'), outcomes: join(output, 'probe-outcomes.json') };
  const { name, device, precision } = engine;
  const facts = {
    run,
    suite: data.suite.name,
    evaluationSeed: seed,
    ...(recipe ? { recipe: { name: recipe.name, seed: recipe.seed } } : {}),
    ...(state ? { state } : {}),
    engine: { name, device, precision },
  };
  await writeFileAtomic(files.probe, `${JSON.stringify({ ...facts, scores }, null, 2)}\n`);
  await writeFileAtomic(
    files.outcomes,
    serializeOutcomes({ run, suite: data.suite.name, evaluationSeed: seed }, reports),
  );
  return { scores, engine, files };
};
