/** The compiled addon of c10d: what it offers and how it is found. A thin typed view of native/c10d/communicator.cc. */
import { EngineError, type CollectiveArray } from '@polygate/core';
import { createRequire } from 'node:module';
import { addonDamage, packagePath, readBuildStatus, rebuildCommand } from '../native/build-status.ts';

interface StoreAddress {
  readonly host: string;
  readonly port: number;
  /** Keys of other groups at one address do not meet. */
  readonly prefix: string;
  readonly timeoutMs: number;
}

/** Keys and values that all processes see. Calls are answered one after another. */
export interface NativeStore {
  /** @returns the port, which the system chose where 0 was asked for */
  connect(): Promise<number>;
  set(key: string, value: string): Promise<void>;
  /** Waits for the key. */
  get(key: string): Promise<string>;
  /** @returns 1 where the key is set; does not wait */
  check(key: string): Promise<number>;
  close(): Promise<void>;
  /** Calls that are never answered keep the process no longer. */
  abandon(): void;
}

/** Collectives of Gloo, answered one after another. */
export interface NativeGroup {
  connect(): Promise<void>;
  allReduce(array: CollectiveArray, operation: 'sum' | 'max'): Promise<void>;
  broadcast(array: CollectiveArray, root: number): Promise<void>;
  allGather(part: CollectiveArray, whole: CollectiveArray): Promise<void>;
  barrier(): Promise<void>;
  close(): Promise<void>;
  /** As that of a store. */
  abandon(): void;
}

/** Where Gloo listens: an interface by name, or the address of a host name. @default what the machine's name says */
interface GroupPlace {
  readonly rank: number;
  readonly size: number;
  readonly hostname?: string;
  readonly interface?: string;
}

export interface C10dAddon {
  readonly Store: new (options: StoreAddress & { readonly isServer: boolean }) => NativeStore;
  readonly Group: new (options: StoreAddress & GroupPlace) => NativeGroup;
}

const unavailable = (why: string, remedy: string, cause?: unknown): EngineError =>
  new EngineError(`several processes need c10d, which is not available: ${why}; ${remedy}`, {
    code: 'c10d-unavailable',
    fields: { why, remedy },
    ...(cause === undefined ? {} : { cause }),
  });

let loaded: C10dAddon | undefined;

/**
 * Loads the addon, once per process.
 * @throws EngineError (code `c10d-unavailable`), whose text and `fields.remedy` say what to install
 */
export const loadC10d = (): C10dAddon => {
  if (loaded) return loaded;
  const status = readBuildStatus();
  const part = status.state === 'built' ? status.communicator : status;
  const rebuild = `run \`${rebuildCommand()}\``;
  if (part?.state !== 'built') {
    throw unavailable(
      part?.why ?? 'the binding was built from an older version of this package',
      part?.remedy ?? rebuild,
    );
  }
  const addon = packagePath('build/polygate_c10d.node');
  const damage = addonDamage(addon, part.sha256);
  if (damage !== undefined) throw unavailable(damage, rebuild);
  try {
    loaded = createRequire(import.meta.url)(addon) as C10dAddon;
    return loaded;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw unavailable(why, `install LibTorch again where it was, or ${rebuild}`, cause);
  }
};
