/**
 * Minimisation by limited-memory BFGS (Liu and Nocedal, 1989) with a backtracking search for a sufficient decrease and a
 * check of the curvature: for smooth convex functions of some thousand variables. It draws nothing.
 */

/** Value at a point; writes the gradient there. */
export type Objective = (point: Float64Array, gradient: Float64Array) => number;

export interface MinimizeOptions {
  /** @default 1000 */
  readonly iterations?: number;
  /** Ends when no component of the gradient is larger. @default 1e-6 */
  readonly tolerance?: number;
  /** Steps that are remembered. @default 10 */
  readonly memory?: number;
}

export interface Minimum {
  readonly point: Float64Array;
  readonly value: number;
  readonly iterations: number;
  /** Whether the gradient came below the tolerance. */
  readonly converged: boolean;
}

interface Step {
  readonly change: Float64Array;
  readonly gradientChange: Float64Array;
  /** 1 / (change . gradientChange) */
  readonly inverse: number;
}

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += (a[i] as number) * (b[i] as number);
  return sum;
};

/** target += factor * source */
const add = (target: Float64Array, source: Float64Array, factor: number): void => {
  for (let i = 0; i < target.length; i += 1) {
    target[i] = (target[i] as number) + factor * (source[i] as number);
  }
};

/** Minus the inverse Hessian, as the remembered steps tell, times the gradient. */
const directionOf = (gradient: Float64Array, steps: readonly Step[]): Float64Array => {
  const direction = gradient.map((value) => -value);
  const factors: number[] = [];
  for (const { change, gradientChange, inverse } of steps.toReversed()) {
    const factor = inverse * dot(change, direction);
    factors.push(factor);
    add(direction, gradientChange, -factor);
  }
  const last = steps.at(-1);
  if (last) {
    const scale = 1 / (last.inverse * dot(last.gradientChange, last.gradientChange));
    for (let i = 0; i < direction.length; i += 1) direction[i] = (direction[i] as number) * scale;
  }
  for (const { change, gradientChange, inverse } of steps) {
    const factor = factors.pop() as number;
    add(direction, change, factor - inverse * dot(gradientChange, direction));
  }
  return direction;
};

const maximumNorm = (values: Float64Array): number =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** Share of the decrease that the slope promises (Armijo). */
const SUFFICIENT = 1e-4;
const MOST_HALVINGS = 50;

/** The least point that is found from a start, which stays as it is. */
export const minimize = (
  objective: Objective,
  start: Float64Array,
  options: MinimizeOptions = {},
): Minimum => {
  const { iterations = 1000, tolerance = 1e-6, memory = 10 } = options;
  let point = Float64Array.from(start);
  let gradient = new Float64Array(start.length);
  let value = objective(point, gradient);
  let steps: Step[] = [];
  for (let iteration = 0; iteration < iterations; iteration += 1) {
    if (maximumNorm(gradient) <= tolerance) return { point, value, iterations: iteration, converged: true };
    let direction = directionOf(gradient, steps);
    let slope = dot(direction, gradient);
    if (!(slope < 0)) {
      steps = [];
      direction = gradient.map((each) => -each);
      slope = dot(direction, gradient);
    }
    // The first step has no scale of its own.
    let length = steps.length === 0 ? Math.min(1, 1 / Math.sqrt(-slope)) : 1;
    let next = point;
    let nextValue = value;
    const nextGradient = new Float64Array(start.length);
    let halvings = 0;
    for (; halvings < MOST_HALVINGS; halvings += 1) {
      next = Float64Array.from(point);
      add(next, direction, length);
      nextValue = objective(next, nextGradient);
      // Near the minimum the decrease is below what the value can show.
      const rounding = 2 * Number.EPSILON * Math.abs(value);
      if (nextValue <= value + SUFFICIENT * length * slope + rounding) break;
      length /= 2;
    }
    // No decrease that numbers can show: this is the minimum as far as they tell.
    if (halvings === MOST_HALVINGS) return { point, value, iterations: iteration, converged: false };
    const change = next.map((each, i) => each - (point[i] as number));
    const gradientChange = nextGradient.map((each, i) => each - (gradient[i] as number));
    const curvature = dot(change, gradientChange);
    if (curvature > 1e-12 * dot(gradientChange, gradientChange)) {
      steps = [...steps.slice(-(memory - 1)), { change, gradientChange, inverse: 1 / curvature }];
    }
    [point, gradient, value] = [next, nextGradient, nextValue];
  }
  return { point, value, iterations, converged: maximumNorm(gradient) <= tolerance };
};
