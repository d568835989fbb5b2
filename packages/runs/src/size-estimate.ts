/**
 * How large a recipe's run is, before anything is allocated.
 *
 * N parameters · B samples of a batch · T positions · L layers · D width · F hidden · H heads
 */
import { formatBytes, requireMemory } from '@polygate/core';
import type { ModelSize, Recipe } from '@polygate/generalist';
import { optimizerSlots } from '@polygate/nn';
import { visual } from '@polygate/modalities';
import { taskFamilyNamed } from '@polygate/tasks';

const FLOAT = 4;
/** Of a parameter that is trained: weight and gradient. The optimizer's record says what it keeps beside. */
const COPIES = 2;

export interface SizeEstimate {
  readonly parameters: number;
  /** Those that are trained; the others have neither gradient nor state. */
  readonly trained: number;
  /** Bytes of weights, gradients and what the optimizer keeps, such as moments. */
  readonly stateBytes: number;
  /** Bytes that the forward of the largest task keeps for its backward. */
  readonly activationBytes: number;
  /** Task of the largest batch. */
  readonly largestTask: string;
  /**
   * What the run needs on any engine: the state, the images of the largest batch, and of its activations what no
   * engine can do without, one block's and the results of the others.
   */
  readonly leastBytes: number;
}

export interface SizeContext {
  readonly model: ModelSize;
  /** Scalars that are trained, where the rest of the model is frozen. @default all */
  readonly trained?: number;
  /** Of the images. */
  readonly channels: number;
  /** Side of the images, pixels. */
  readonly pixels: number;
  /** Tokens of a row of text. */
  readonly textLength: number;
}

/**
 * What a run will need, to within a factor of about two: engines keep more or less for the backward. Candidates are left
 * out, though a whole vocabulary may be as large as the batch.
 */
export const estimateSize = (recipe: Recipe, context: SizeContext): SizeEstimate => {
  const { model, channels, pixels, textLength } = context;
  const { parameters } = model;
  // What of the images whole patches cover; others are refused when the model is made.
  const side = Math.max(1, Math.floor(pixels / model.patch)) * model.patch;
  const image = { height: side, width: side, channels, patch: model.patch };
  const input = { patches: visual.tokens(image), imageValues: visual.values(image), textLength };
  const bytesEach = recipe.precision === 'f32' ? FLOAT : FLOAT / 2;
  let activationBytes = 0;
  let leastActivationBytes = 0;
  let largestTask = '';
  for (const [name, task] of Object.entries(recipe.tasks)) {
    const { positions, values } = taskFamilyNamed(task.family).size(task, input);
    const bytes = FLOAT * task.batchSize * model.activations(positions);
    const least = bytesEach * task.batchSize * (values + model.leastActivations(positions));
    leastActivationBytes = Math.max(leastActivationBytes, least);
    if (bytes > activationBytes) {
      activationBytes = bytes;
      largestTask = name;
    }
  }
  const { trained = parameters } = context;
  const copies = COPIES + optimizerSlots(recipe.optimizer).length;
  const stateBytes = FLOAT * (copies * trained + (parameters - trained));
  return {
    parameters,
    trained,
    stateBytes,
    activationBytes,
    largestTask,
    leastBytes: stateBytes + leastActivationBytes,
  };
};

/** What the optimizer keeps, as people call it. */
const keptOf = ({ optimizer }: Recipe): readonly string[] => {
  const slots = optimizerSlots(optimizer).length;
  return slots === 0 ? [] : [slots === 1 ? 'momentum' : 'moments'];
};

/** One line for people. */
export const describeSize = (recipe: Recipe, size: SizeEstimate): string =>
  `${recipe.name}: ${(size.parameters / 1e6).toFixed(1)}M parameters${size.trained < size.parameters ? ` (${(size.trained / 1e6).toFixed(1)}M of them trained)` : ''}, ${recipe.steps}, about ${formatBytes(size.stateBytes)} for ${['weights', 'gradients', ...keptOf(recipe)].join(', ').replace(/, (?=[^,]*$)/u, ' and ')} and ${formatBytes(size.activationBytes)} for the activations of the largest batch (${size.largestTask})`;

/**
 * Refuses a run that the machine has no room for, before anything of it is allocated.
 * @throws ConfigError (code `memory`) with what it needs, what there is, and how to go on
 */
export const requireRoom = (recipe: Recipe, size: SizeEstimate): void => {
  const { stateBytes, leastBytes, parameters, largestTask } = size;
  const { memoryBytes } = recipe;
  const ofBatch = leastBytes - stateBytes > stateBytes;
  const smaller = ofBatch ? `a smaller tasks.${largestTask}.batchSize with accumulate` : 'a smaller model';
  requireMemory(
    `pretrain ${recipe.name}: ${(parameters / 1e6).toFixed(1)}M parameters in training (${formatBytes(stateBytes)}) and the largest batch (task "${largestTask}")`,
    {
      bytes: leastBytes,
      ...(memoryBytes === undefined ? {} : { available: memoryBytes }),
      remedy: `choose ${smaller}, or set memoryBytes to go on anyway`,
    },
  );
};
