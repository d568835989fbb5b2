/**
 * A group of processes on c10d, which comes with LibTorch: PyTorch's own rendezvous (TCPStore) and collectives (Gloo), so a
 * PyTorch process may be a rank of it. Nothing here blocks the event loop: calls wait on threads of the addon.
 */
import {
  ConfigError,
  createCommunicator,
  EngineError,
  StateError,
  type Communicator,
  type CommunicatorOptions,
} from '@polygate/core';
import { loadC10d, type NativeStore } from './addon.ts';
import { createRendezvous } from './rendezvous.ts';

/** Where a group meets, and which of its processes this is. */
export interface C10dOptions extends CommunicatorOptions {
  readonly rank: number;
  readonly size: number;
  /** Name or address of the machine of rank 0. */
  readonly host: string;
  /** Port there. Gloo takes others that are free. */
  readonly port: number;
  /** Whether a store is there already, as torchrun has one. @default rank 0 makes it */
  readonly isServed?: boolean;
  /** Groups of other names at one address do not meet, such as those of restarts. @default 'polygate' */
  readonly group?: string;
  /** Network interface by name, as GLOO_SOCKET_IFNAME. @default what the machine's name says */
  readonly networkInterface?: string;
  /** Milliseconds for all ranks to come, and for each call to be answered. @default 300000 */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 300_000;
const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|::1)$/u;

const checked = ({ rank, size, port }: C10dOptions): void => {
  if (!Number.isInteger(size) || size < 1 || !Number.isInteger(rank) || rank < 0 || rank >= size) {
    throw new ConfigError(`c10d: expected a rank from 0 to size - 1, got rank ${rank} of ${size}`);
  }
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new ConfigError(`c10d: expected a port from 1 to 65535, got ${port}; set MASTER_PORT`);
  }
};

const firstLine = (cause: unknown): string =>
  (cause instanceof Error ? cause.message : String(cause)).split('\n')[0] ?? '';

const connectStore = async (store: NativeStore, address: string, isServer: boolean): Promise<void> => {
  await store.connect().catch((cause: unknown) => {
    const remedy = isServer
      ? 'another program may have the port: choose another one for all ranks'
      : 'start rank 0 there, and let the machines reach each other';
    throw new StateError(
      `c10d: expected ${isServer ? 'to make' : 'to reach'} the store at ${address}, got: ${firstLine(cause)}; ${remedy}`,
      { code: 'store-unreachable', cause },
    );
  });
};

/**
 * Joins a group, as all its ranks must.
 * @throws EngineError (code `c10d-unavailable`) where the addon is not built; ConfigError for a rank or port that is none;
 * StateError (codes `store-unreachable`, `rank-missing`, `rank-taken`, `rank-failed`)
 */
export const connectC10d = async (options: C10dOptions): Promise<Communicator> => {
  checked(options);
  const { rank, size, host, port, isServed = false, group = 'polygate', networkInterface } = options;
  const { timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const { Store, Group } = loadC10d();
  const address = `${host}:${port}`;
  const isServer = rank === 0 && !isServed;
  const store = new Store({ host, port, timeoutMs, prefix: `${group}/ranks`, isServer });
  const rendezvous = createRendezvous(store, { rank, size, timeoutMs, address });
  try {
    await connectStore(store, address, isServer);
    await rendezvous.join();
  } catch (error) {
    store.abandon();
    throw error;
  }
  const gloo = new Group({
    host,
    port,
    timeoutMs,
    prefix: `${group}/gloo`,
    rank,
    size,
    // A machine's own name may lead to an address that nothing answers at.
    ...(networkInterface
      ? { interface: networkInterface }
      : LOOPBACK.test(host)
        ? { hostname: '127.0.0.1' }
        : {}),
  });
  await rendezvous.watch('connection', () => gloo.connect());
  return createCommunicator(
    {
      rank,
      size,
      reduce: (array, operation) => rendezvous.watch('reduction', () => gloo.allReduce(array, operation)),
      gather: (part, whole) => rendezvous.watch('gathering', () => gloo.allGather(part, whole)),
      broadcast: (array, root) => rendezvous.watch('broadcast', () => gloo.broadcast(array, root)),
      barrier: () => rendezvous.watch('barrier', () => gloo.barrier()),
      abort: (reason) => rendezvous.end(reason),
      async close() {
        const closed = Promise.all([gloo.close(), store.close()]);
        if (!rendezvous.hasFailed) return void (await closed);
        // A call that no rank will answer ends with the process, and does not keep it.
        closed.catch(() => undefined);
        gloo.abandon();
        store.abandon();
      },
    },
    options,
  );
};

/** Whether {@link connectC10d} can work here, and what it lacks. */
export const describeC10d = ():
  | { readonly available: true }
  | { readonly available: false; readonly why: string; readonly remedy: string } => {
  try {
    loadC10d();
    return { available: true };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const { why, remedy } = error.fields as { readonly why: string; readonly remedy: string };
    return { available: false, why, remedy };
  }
};
