/** The communicator of this process: that of its launcher's group, or of one process alone. */
import { aloneCommunicator, ConfigError, EngineError, excerpt, type Communicator } from '@polygate/core';
import { placeOf, type Environment } from './launchers.ts';

/** Seconds. */
const LONGEST_WAIT = 86_400;

interface C10dModule {
  readonly connectC10d: (options: {
    readonly rank: number;
    readonly size: number;
    readonly host: string;
    readonly port: number;
    readonly isServed: boolean;
    readonly group: string;
    readonly networkInterface?: string;
    readonly timeoutMs?: number;
  }) => Promise<Communicator>;
}

const importC10d = async (): Promise<C10dModule> => {
  const name = '@polygate/backend-torch/c10d';
  try {
    return (await import(name)) as C10dModule;
  } catch (cause) {
    throw new EngineError(
      `several processes need c10d, which comes with LibTorch, but ${name} does not load: ${cause instanceof Error ? cause.message : String(cause)}; install @polygate/backend-torch and LibTorch (Debian: apt-get install libtorch-dev g++), then \`npx polygate engines build torch\`; any engine can compute`,
      { code: 'c10d-unavailable', cause },
    );
  }
};

/** Seconds that a rank is waited for, of all of them alike. @throws ConfigError for what is no number of them */
const timeoutOf = ({ POLYGATE_RANK_TIMEOUT: asked }: Environment): { readonly timeoutMs?: number } => {
  if (asked === undefined) return {};
  const seconds = Number(asked);
  if (seconds >= 1 && seconds <= LONGEST_WAIT) return { timeoutMs: seconds * 1000 };
  throw new ConfigError(
    `processes: expected POLYGATE_RANK_TIMEOUT to be from 1 to ${LONGEST_WAIT} seconds, got ${excerpt(asked)}`,
    { code: 'launch-variable', fields: { name: 'POLYGATE_RANK_TIMEOUT', value: asked } },
  );
};

/**
 * Joins the group that the variables tell of. Any engine can compute: arrays cross between processes, not tensors.
 * @throws ConfigError for variables that don't fit together; EngineError (code `c10d-unavailable`) without c10d;
 * StateError for ranks that don't come
 */
export const openRanks = async (environment: Environment): Promise<Communicator> => {
  const place = placeOf(environment);
  if (!place || place.size === 1) return aloneCommunicator;
  const { rank, size, host, port, isServed = false, attempt = '0' } = place;
  const networkInterface = environment['GLOO_SOCKET_IFNAME'];
  const { connectC10d } = await importC10d();
  return connectC10d({
    rank,
    size,
    host,
    port,
    isServed,
    group: `polygate-${attempt}`,
    ...(networkInterface === undefined ? {} : { networkInterface }),
    ...timeoutOf(environment),
  });
};
