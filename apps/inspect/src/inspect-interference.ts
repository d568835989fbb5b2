/** The interference part of the inspect stage: a run folder -> RUN/inspect/interference.json. */
import type { Logger } from '@polygate/core';
import {
  INTERFERENCE_FILE,
  runInterference,
  writeInterference,
  type InterferenceRecord,
  type RunInterferenceOptions,
} from '@polygate/interference';
import { join } from 'node:path';

export interface InterferenceStageOptions extends RunInterferenceOptions {
  /** Folder of a run. */
  readonly run: string;
  /** Where the result goes. @default RUN/inspect/interference.json */
  readonly json?: string;
}

export interface InspectContext {
  readonly logger?: Logger;
  readonly signal?: AbortSignal;
}

export interface InterferenceStageResult {
  readonly record: InterferenceRecord;
  /** Path of what was written. */
  readonly file: string;
}

/** Measures the interference between the tasks of a run and writes it down. @throws as `runInterference` */
export const inspectInterference = async (
  options: InterferenceStageOptions,
  context: InspectContext = {},
): Promise<InterferenceStageResult> => {
  const { run, json: file = join(run, 'inspect', INTERFERENCE_FILE) } = options;
  const record = await runInterference(run, { ...options, ...context });
  await writeInterference(file, record);
  return { record, file };
};
