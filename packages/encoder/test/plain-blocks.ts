/** Blocks of SM^4 in plain loops: whole experts, gates as they are, routers by name. Written from the formulas alone. */
import type { ResolvedExperts } from '@polygate/encoder';
import type { ParameterSet } from '@polygate/nn';

type Matrix = readonly (readonly number[])[];
type Vector = readonly number[];

const erf = (x: number): number => {
  // Maclaurin series: exact to double precision for the small arguments here.
  let sum = 0;
  let term = x;
  for (let n = 0; Math.abs(term) > 1e-18 && n < 200; n += 1) {
    sum += term / (2 * n + 1);
    term *= -(x * x) / (n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
};
const gelu = (x: number): number => (x * (1 + erf(x / Math.SQRT2))) / 2;
const dot = (a: Vector, b: Vector): number => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
const softmax = (z: Vector): number[] => {
  const exponentials = z.map((value) => Math.exp(value - Math.max(...z)));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
};

/** A position of a sequence. */
export interface PlainPosition {
  readonly modality: string;
  readonly task: string;
  readonly topK: number;
}

export interface PlainBlocks {
  readonly parameters: ParameterSet;
  readonly layers: number;
  readonly heads: number;
  readonly moe: ResolvedExperts;
}

/** One sample through all blocks. @param hidden positions that nobody may see */
export const plainBlocks = (
  { parameters, layers, heads, moe }: PlainBlocks,
  x: Matrix,
  positions: readonly PlainPosition[],
  hidden: readonly boolean[] = [],
): Matrix => {
  const vector = (name: string): number[] => Array.from(parameters.get(name).dataSync());
  const matrix = (name: string): number[][] => {
    const { shape } = parameters.get(name);
    const values = vector(name);
    const width = shape.at(-1) ?? 1;
    return Array.from({ length: values.length / width }, (_, i) => values.slice(i * width, (i + 1) * width));
  };
  const norm = (token: Vector, path: string): number[] => {
    const mean = token.reduce((sum, value) => sum + value, 0) / token.length;
    const variance = token.reduce((sum, value) => sum + (value - mean) ** 2, 0) / token.length;
    const [weight, bias] = [vector(`${path}.weight`), vector(`${path}.bias`)];
    return token.map(
      (value, i) => ((value - mean) / Math.sqrt(variance + 1e-5)) * (weight[i] ?? 0) + (bias[i] ?? 0),
    );
  };
  const affine = (token: Vector, path: string): number[] => {
    const bias = vector(`${path}.bias`);
    return matrix(`${path}.weight`).map((row, o) => dot(row, token) + (bias[o] ?? 0));
  };
  /** Experts and gates of a token at the router of some linears; all of a dense linear. */
  const choose = (token: Vector, { modality, task, topK }: PlainPosition, block: number, linear: string) => {
    const group = moe.groups.find(
      ({ blocks, linears }) => blocks.includes(block) && linears.some((members) => members.includes(linear)),
    );
    if (!group) return undefined;
    const perBlock = group.linears.length;
    const site =
      group.blocks.indexOf(block) * perBlock + group.linears.findIndex((members) => members.includes(linear));
    const gate = matrix(`routers.${group.name}.gate.weight`).slice(
      site * group.experts,
      (site + 1) * group.experts,
    );
    const names =
      group.condition === 'token-by-modality'
        ? { all: moe.modalities, one: modality }
        : group.condition === 'token-by-task'
          ? { all: moe.tasks, one: task }
          : { all: [''], one: '' };
    const start = names.all.indexOf(names.one) * token.length;
    const probabilities = softmax(gate.map((row) => dot(row.slice(start, start + token.length), token)));
    const chosen = probabilities
      .map((_, e) => e)
      .sort((a, b) => (probabilities[b] ?? 0) - (probabilities[a] ?? 0));
    return chosen.slice(0, topK).map((e) => ({ e, gate: probabilities[e] ?? 0 }));
  };
  const sum = (parts: readonly Vector[], width: number): number[] =>
    Array.from({ length: width }, (_, i) => parts.reduce((total, part) => total + (part[i] ?? 0), 0));
  const project = (token: Vector, at: number, block: number, name: string): number[] => {
    const path = `blocks.${block}.${name}`;
    const choices = choose(token, positions[at] as PlainPosition, block, name);
    if (!choices) return affine(token, path);
    if (hidden[at]) return token.map(() => 0);
    return sum(
      choices.map(({ e, gate }) => affine(token, `${path}.experts.${e}`).map((value) => gate * value)),
      token.length,
    );
  };
  const feed = (token: Vector, at: number, block: number): number[] => {
    const path = `blocks.${block}.ffn`;
    const whole = (suffix: string): number[] =>
      affine(affine(token, `${path}.fc1${suffix}`).map(gelu), `${path}.fc2${suffix}`);
    const choices = choose(token, positions[at] as PlainPosition, block, 'ffn.fc1');
    if (!choices) return whole('');
    if (hidden[at]) return token.map(() => 0);
    return sum(
      choices.map(({ e, gate }) => whole(`.experts.${e}`).map((value) => gate * value)),
      token.length,
    );
  };

  let states = x;
  for (let block = 0; block < layers; block += 1) {
    const path = `blocks.${block}`;
    const normed = states.map((token) => norm(token, `${path}.norm1`));
    const [q = [], k = [], v = []] = ['query', 'key', 'value'].map((name) =>
      normed.map((token, at) => project(token, at, block, `attention.${name}`)),
    );
    const width = states[0]?.length ?? 0;
    const d = width / heads;
    const attended = q.map((query) =>
      Array.from({ length: heads }, (_, h) => {
        const part = (token: Vector): Vector => token.slice(h * d, (h + 1) * d);
        const weights = softmax(
          k.map((key, at) => dot(part(query), part(key)) / Math.sqrt(d) + (hidden[at] ? -1e4 : 0)),
        );
        return sum(
          v.map((value, at) => part(value).map((each) => each * (weights[at] ?? 0))),
          d,
        );
      }).flat(),
    );
    const middle = states.map((token, at) => {
      const out = affine(attended[at] ?? [], `${path}.attention.output`);
      return token.map((value, i) => value + (out[i] ?? 0));
    });
    states = middle.map((token, at) => {
      const out = feed(norm(token, `${path}.norm2`), at, block);
      return token.map((value, i) => value + (out[i] ?? 0));
    });
  }
  return states;
};
