import { describe, expect, it } from 'vitest';
import { firstNode, placeOf } from './launchers.ts';

describe('placeOf', () => {
  it('knows a process that is alone, also in a batch script of many tasks', () => {
    expect(placeOf({})).toBeUndefined();
    expect(placeOf({ SLURM_PROCID: '0', SLURM_NTASKS: '8', SLURM_JOB_NODELIST: 'a[1-2]' })).toBeUndefined();
  });

  it('reads the variables of torchrun, also of its store and restarts', () => {
    const set = { RANK: '3', WORLD_SIZE: '4', LOCAL_RANK: '1', MASTER_ADDR: '10.0.0.1', MASTER_PORT: '2345' };
    expect(placeOf(set)).toEqual({
      launcher: 'torchrun',
      rank: 3,
      size: 4,
      host: '10.0.0.1',
      port: 2345,
      isServed: false,
      attempt: '0',
    });
    expect(
      placeOf({ ...set, TORCHELASTIC_USE_AGENT_STORE: 'True', TORCHELASTIC_RESTART_COUNT: '2' }),
    ).toMatchObject({ isServed: true, attempt: '2' });
  });

  it('reads those of mpirun on one machine, and asks for the address on several', () => {
    const set = { OMPI_COMM_WORLD_RANK: '1', OMPI_COMM_WORLD_SIZE: '2', OMPI_COMM_WORLD_LOCAL_SIZE: '2' };
    expect(placeOf(set)).toEqual({ launcher: 'mpirun', rank: 1, size: 2, host: '127.0.0.1', port: 29_500 });
    expect(() => placeOf({ ...set, OMPI_COMM_WORLD_LOCAL_SIZE: '1' })).toThrow(
      'processes: expected MASTER_ADDR, the machine of rank 0, got nothing; export it to all processes',
    );
  });

  it('reads those of srun, with the first machine of the step', () => {
    const set = { SLURM_PROCID: '5', SLURM_STEP_NUM_TASKS: '8', SLURM_STEP_NODELIST: 'gpu[07-10,12],login' };
    expect(placeOf(set)).toEqual({
      launcher: 'slurm',
      rank: 5,
      size: 8,
      host: 'gpu07',
      port: 29_500,
      attempt: '0',
    });
    expect(['one', 'one,two', 'a[3]-ib,b', 'r1[001-004]'].map(firstNode)).toEqual([
      'one',
      'one',
      'a3-ib',
      'r1001',
    ]);
  });

  it('names the variable that is missing or no number', () => {
    expect(() => placeOf({ RANK: '0', MASTER_ADDR: 'a' })).toThrow(
      'processes: expected WORLD_SIZE to be a whole number, got nothing; the launcher sets it, or set it yourself',
    );
    expect(() => placeOf({ RANK: 'first', WORLD_SIZE: '2', MASTER_ADDR: 'a' })).toThrow('got "first"');
  });
});
