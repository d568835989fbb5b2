/**
 * Who started this process as one of several, and what it says by variables of the environment. A launcher is one record;
 * the first that is there decides.
 */
import { ConfigError, createRegistry } from '@polygate/core';

/** Variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where a process stands among those of a run. */
export interface Place {
  readonly rank: number;
  readonly size: number;
  /** Name or address of the machine of rank 0. */
  readonly host: string;
  readonly port: number;
  /** Whether the launcher keeps the store by which the processes meet. @default rank 0 does */
  readonly isServed?: boolean;
  /** What a restart must not share with the processes before it. @default none */
  readonly attempt?: string;
}

/** A way in which processes are started. */
export interface Launcher {
  readonly name: string;
  readonly summary: string;
  /** The variable that it alone sets. */
  readonly variable: string;
  /** @throws ConfigError for variables that are missing or no numbers */
  readonly place: (environment: Environment) => Place;
}

/** PyTorch's port where nobody says one. */
const DEFAULT_PORT = 29_500;

const whole = (environment: Environment, name: string, fallback?: number): number => {
  const value = environment[name];
  if (value === undefined && fallback !== undefined) return fallback;
  const number = value === undefined || value.trim() === '' ? Number.NaN : Number(value);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw new ConfigError(
    `processes: expected ${name} to be a whole number, got ${value === undefined ? 'nothing' : `"${value}"`}; the launcher sets it, or set it yourself`,
    { code: 'launch-variable', fields: { name, value } },
  );
};

const hostOf = (environment: Environment, fallback: string | undefined): string => {
  const host = environment['MASTER_ADDR'] ?? fallback;
  if (host !== undefined && host !== '') return host;
  throw new ConfigError(
    'processes: expected MASTER_ADDR, the machine of rank 0, got nothing; export it to all processes',
    { code: 'launch-variable', fields: { name: 'MASTER_ADDR' } },
  );
};

const torchrun: Launcher = {
  name: 'torchrun',
  summary: 'torchrun --no-python, --processes, or RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT set by hand',
  variable: 'RANK',
  place: (environment) => ({
    rank: whole(environment, 'RANK'),
    size: whole(environment, 'WORLD_SIZE'),
    host: hostOf(environment, undefined),
    port: whole(environment, 'MASTER_PORT', DEFAULT_PORT),
    isServed: environment['TORCHELASTIC_USE_AGENT_STORE'] === 'True',
    attempt: environment['TORCHELASTIC_RESTART_COUNT'] ?? '0',
  }),
};

const mpirun: Launcher = {
  name: 'mpirun',
  summary: "Open MPI's mpirun; on several machines with -x MASTER_ADDR",
  variable: 'OMPI_COMM_WORLD_RANK',
  place(environment) {
    const size = whole(environment, 'OMPI_COMM_WORLD_SIZE');
    const isOneMachine = whole(environment, 'OMPI_COMM_WORLD_LOCAL_SIZE', 0) === size;
    return {
      rank: whole(environment, 'OMPI_COMM_WORLD_RANK'),
      size,
      host: hostOf(environment, isOneMachine ? '127.0.0.1' : undefined),
      port: whole(environment, 'MASTER_PORT', DEFAULT_PORT),
    };
  },
};

/** The first name of a list as Slurm writes it: `node[03-05,9],other` is `node03`. */
export const firstNode = (list: string): string =>
  list.replace(/^([^[,]*)\[(\d+)[^\]]*\]([^,]*).*$/u, '$1$2$3').replace(/,.*$/u, '');

const slurm: Launcher = {
  name: 'slurm',
  summary: "Slurm's srun",
  // A batch script alone has the variables of its job, but not those of a step.
  variable: 'SLURM_STEP_NUM_TASKS',
  place: (environment) => ({
    rank: whole(environment, 'SLURM_PROCID'),
    size: whole(environment, 'SLURM_STEP_NUM_TASKS'),
    host: hostOf(environment, firstNode(environment['SLURM_STEP_NODELIST'] ?? '')),
    port: whole(environment, 'MASTER_PORT', DEFAULT_PORT),
    attempt: environment['SLURM_RESTART_COUNT'] ?? '0',
  }),
};

const launchers = createRegistry<Launcher>('launcher', [torchrun, mpirun, slurm]);

/** Adds a way in which processes are started. @throws ConfigError for a name that is taken */
export const registerLauncher = launchers.register;

/** Where this process stands, undefined where it was started alone. @throws ConfigError as the launcher's record */
export const placeOf = (environment: Environment): (Place & { readonly launcher: string }) | undefined => {
  const launcher = launchers.all().find(({ variable }) => environment[variable] !== undefined);
  return launcher && { ...launcher.place(environment), launcher: launcher.name };
};
