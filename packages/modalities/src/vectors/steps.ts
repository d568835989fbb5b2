/** Modalities of steps with features, in time: series of any kind, and those that robots record. */
import { ConfigError, excerpt } from '@polygate/core';
import { scalesOf } from './token-layout.ts';
import { stepLayout } from './step-layout.ts';
import { featuresOf, vectorModality, type VectorFacts, type VectorInput } from './vector-modality.ts';

const layout = (input: VectorInput): ReturnType<VectorFacts['layout']> => {
  const { stored, name, patch: [patch = 1] = [] } = input;
  const { shape, statistics, gaps = false } = stored;
  if (!shape || shape.length === 0 || shape.slice(1).includes(null)) {
    throw new ConfigError(
      `input "${name}": expected an array [steps, features] with lengths that differ in steps alone, got the shape ${excerpt(shape)}; choose another modality, or another array`,
      { code: 'input-shape', fields: { input: name } },
    );
  }
  return stepLayout({ features: featuresOf(input), patch, scales: scalesOf(statistics), gaps });
};

const stepModality = (name: string, summary: string) =>
  vectorModality({ name, summary, axes: 1, isOrdered: true, patch: [1], layout });

/** Any series of numbers in time: sensors, vital signs, features of frames. */
export const timeSeries = stepModality(
  'time-series',
  'steps of numbers in time, with gaps; several steps a token',
);

/** Forces and torques that a sensor felt. */
export const force = stepModality('force', 'forces and torques in time');

/** Positions and velocities of joints and of the hand. */
export const proprioception = stepModality('proprioception', 'positions and velocities of a body in time');

/** What was asked of the actuators. */
export const control = stepModality('control', 'commands to actuators in time');
