/** What a rung of the ladder of engines is. */
import type { EngineName, Precision } from './engine-names.ts';
import type { StartedEngine } from './trust/trust.ts';

/** What a loader is asked for. */
export interface LoadRequest {
  readonly device: string;
  readonly precision: Precision;
  readonly deterministic: boolean;
  readonly threads?: number;
}

/** A loaded engine; its tfjs backend is registered but not yet current. */
export interface LoadedEngine extends StartedEngine {
  readonly deterministic: boolean;
  readonly description: string;
}

/** One rung of the ladder. */
export interface EngineLoader {
  readonly name: EngineName;
  /** The first is the default. */
  readonly devices: readonly string[];
  readonly precisions: readonly Precision[];
  readonly remedy: string;
  readonly load: (request: LoadRequest) => Promise<LoadedEngine>;
  /** Says whether it would load without disturbing what runs on it. @default load with the default device */
  readonly probe?: () => Promise<Pick<LoadedEngine, 'description' | 'version'>>;
}
