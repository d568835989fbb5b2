/** The report part of the inspect stage: a run folder, or two -> RUN/inspect/report.html and its figures. */
import { silentLogger } from '@polygate/core';
import { writeFileAtomic } from '@polygate/core/node';
import { join } from 'node:path';
import type { InspectContext } from './inspect-interference.ts';
import { renderPage } from './report/page.ts';
import { writeFigure } from './report/images.ts';
import { viewRun, type RunView } from './report/run-view.ts';
import { reportSections } from './report/sections.ts';

export interface ReportStageOptions {
  /** Folder of a run. */
  readonly run: string;
  /** Another run to show beside it, such as the dense model of the same tasks. */
  readonly against?: string;
  /** Folder of the base of `run`, where it has been moved. @default where the checkpoint says */
  readonly base?: string;
  /** Where the report goes. @default RUN/inspect */
  readonly output?: string;
}

export interface ReportStageResult {
  /** Path of report.html. */
  readonly page: string;
  /** Paths of the figures, an SVG and a PNG each. */
  readonly figures: readonly string[];
}

/** Names of runs in legends; their folders where the last parts are the same. */
const named = (runs: readonly RunView[]): readonly RunView[] => {
  const names = new Set(runs.map(({ name }) => name));
  return names.size === runs.length ? runs : runs.map((run) => ({ ...run, name: run.run }));
};

const factsOf = (runs: readonly RunView[]): string[][] => {
  const keys = [...new Set(runs.flatMap(({ facts }) => facts.map(([key]) => key)))];
  return [
    ['', ...runs.map(({ name }) => name)],
    ...keys.map((key) => [key, ...runs.map(({ facts }) => facts.find(([name]) => name === key)?.[1] ?? '–')]),
  ];
};

/**
 * Draws what is known of a run: losses, validation, gates, expert load, and the interference that was measured before.
 * Works on a run that is still training.
 * @throws StateError for a folder without checkpoint or metrics, or an unwritable one; FormatError for damaged files
 */
export const inspectReport = async (
  options: ReportStageOptions,
  context: InspectContext = {},
): Promise<ReportStageResult> => {
  const { logger = silentLogger } = context;
  const { run, against, base, output = join(run, 'inspect') } = options;
  const runs: RunView[] = [];
  for (const folder of against === undefined ? [run] : [run, against]) {
    logger.info(`report: reading ${folder}`);
    runs.push(await viewRun(folder, folder === run ? base : undefined));
  }
  const shown = named(runs);
  const sections = reportSections(shown);
  const files: string[] = [];
  for (const { id, figure } of sections.flatMap(({ figures }) => figures)) {
    files.push(...(await writeFigure(figure, join(output, 'figures'), id)));
  }
  const title =
    shown.length > 1
      ? `${shown[0]?.name ?? ''} against ${shown[1]?.name ?? ''}`
      : `Run ${shown[0]?.name ?? ''}`;
  const page = join(output, 'report.html');
  await writeFileAtomic(
    page,
    renderPage({
      title,
      facts: factsOf(shown),
      sections,
      footer: `Made by polygate inspect report from ${shown.map(({ run: folder, log }) => `${folder} (step ${log.lastStep}${log.unreadable > 0 ? `, ${log.unreadable} unreadable lines left out` : ''})`).join(' and ')}.`,
    }),
  );
  return { page, figures: files };
};
