/**
 * The encoder once more, one sample at a time, in loops over plain numbers and with every expert computed for itself:
 * y = sum_e g_e (W_e x + b_e). Written from the formulas; shares no code with the encoder.
 */
import type { AttributeRow } from '@polygate/attributes';
import type { ResolvedEncoderConfig } from '../src/config.ts';
import type { UniPerceiver } from '../src/uni-perceiver.ts';

/** One sample of a segment. */
export type PlainSegment =
  | {
      readonly kind: 'text';
      readonly ids: number[];
      readonly positions?: number[];
      readonly row: AttributeRow;
    }
  | {
      readonly kind: 'visual';
      readonly patches: number[][];
      readonly rows: number;
      readonly columns: number;
      readonly startFrame?: number;
      readonly row: AttributeRow;
    };

export interface PlainOptions {
  /** Additive, [T][T]. */
  readonly mask?: number[][];
  /** Multiplier of each branch: attention of block 0, its feed-forward part, attention of block 1, ... */
  readonly keep?: readonly number[];
  /** Deep prompts by block. */
  readonly prompts?: readonly number[][][];
  /** @default 'a' */
  readonly task?: string;
}

/** What a router may look at. */
interface PlainKey extends Pick<PlainSegment, 'row' | 'kind'> {
  readonly task: string;
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
const plus = (a: readonly number[], b: readonly number[]): number[] =>
  a.map((value, i) => value + (b[i] ?? 0));
const softmax = (values: readonly number[]): number[] => {
  const largest = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - largest));
  const total = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / total);
};
/** erf by its Maclaurin series: exact to double precision for the small arguments here. */
const erf = (x: number): number => {
  let term = x;
  let sum = x;
  for (let n = 1; n < 200; n += 1) {
    term *= -(x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
};
const gelu = (x: number): number => (x > 5 ? x : x < -5 ? 0 : (x / 2) * (1 + erf(x / Math.SQRT2)));

/** Encodes samples with the parameters that a model has now. */
export const plainEncoder = (model: UniPerceiver) => {
  const config: ResolvedEncoderConfig = model.config;
  const { width, heads } = config;
  const values = new Map(
    model.parameters
      .entries()
      .map(({ name, variable }) => [name, { shape: variable.shape, data: variable.dataSync() }]),
  );
  const remember = <T>(make: (name: string) => T): ((name: string) => T) => {
    const known = new Map<string, T>();
    return (name) => {
      const value = known.get(name) ?? make(name);
      known.set(name, value);
      return value;
    };
  };
  const vector = remember((name) => [...(values.get(name)?.data ?? [])]);
  const matrix = remember((name): number[][] => {
    const { shape, data } = values.get(name) ?? { shape: [0, 0], data: [] };
    const [rows = 0, columns = 0] = shape;
    return Array.from({ length: rows }, (_, r) => [...data.slice(r * columns, (r + 1) * columns)]);
  });
  const affine = (x: readonly number[], path: string): number[] => {
    const bias = vector(`${path}.bias`);
    return matrix(`${path}.weight`).map((row, o) => dot(row, x) + (bias[o] ?? 0));
  };
  const norm = (x: readonly number[], gamma: readonly number[], beta: readonly number[]): number[] => {
    const mean = x.reduce((a, b) => a + b) / x.length;
    const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
    return x.map((v, i) => ((v - mean) / Math.sqrt(variance + 1e-5)) * (gamma[i] ?? 0) + (beta[i] ?? 0));
  };
  const named = (x: readonly number[], path: string): number[] =>
    norm(x, vector(`${path}.weight`), vector(`${path}.bias`));

  /** Gates of the router that serves a linear; routers are counted by block, attention before feed-forward. */
  const gatesOf = (block: number, linear: string, { row, kind, task }: PlainKey): number[] => {
    const { moe } = config;
    if (!moe) return [];
    if (moe.condition === 'task-specific') return moe.tasks.map((name) => (name === task ? 1 : 0));
    const perBlock = moe.separateGates
      ? [
          ...(moe.attention ? ['attention.qkv', 'attention.output'] : []),
          ...(moe.ffn ? ['ffn.fc1', 'ffn.fc2'] : []),
        ]
      : [...(moe.attention ? ['attention'] : []), ...(moe.ffn ? ['ffn'] : [])];
    const own = perBlock.findIndex((name) => linear.startsWith(name));
    const site = (block / moe.every) * perBlock.length + own;
    const part = (name: string, size: number): number[] =>
      [...(values.get(`routers.${name}`)?.data ?? [])].slice(site * size, (site + 1) * size);
    const embedded = (names: readonly string[], name: string): number[] => {
      const table = part(`${moe.condition}.embedding`, names.length * width);
      return table.slice(names.indexOf(name) * width, (names.indexOf(name) + 1) * width);
    };
    const attributes = (): number[] => {
      const w = part('attribute.weight', width * 8);
      const z = part('attribute.bias', width).map((b, d) => b + dot(w.slice(d * 8, d * 8 + 8), row));
      return norm(z, part('norm.weight', width), part('norm.bias', width));
    };
    const r =
      moe.condition === 'attribute'
        ? attributes()
        : moe.condition === 'modality'
          ? embedded(moe.modalities, kind)
          : embedded(moe.tasks, task);
    const g = part('gate.weight', moe.experts * width);
    const p = softmax(
      Array.from({ length: moe.experts }, (_, e) => dot(g.slice(e * width, (e + 1) * width), r)),
    );
    const kept = [...p.keys()].sort((a, b) => (p[b] ?? 0) - (p[a] ?? 0)).slice(0, moe.topK);
    const total = moe.renormalize ? kept.reduce((sum, e) => sum + (p[e] ?? 0), 0) : 1;
    return p.map((value, e) => (kept.includes(e) ? value / total : 0));
  };

  const linear = (
    x: readonly number[],
    row: PlainKey,
    { block, name }: { block: number; name: string },
  ): number[] => {
    const path = `blocks.${block}.${name}`;
    if (values.has(`${path}.weight`)) return affine(x, path);
    let y: number[] = [];
    for (const [e, gate] of gatesOf(block, name, row).entries()) {
      const part = affine(x, `${path}.experts.${e}`).map((value) => gate * value);
      y = y.length === 0 ? part : plus(y, part);
    }
    return y;
  };

  const embedSegment = (segment: PlainSegment): number[][] => {
    if (segment.kind === 'text') {
      const words = matrix('embedding.word');
      const table = matrix('embedding.position');
      return segment.ids.map((id, i) =>
        plus(plus(words[id] ?? [], table[segment.positions?.[i] ?? i] ?? []), vector('embedding.type')),
      );
    }
    const frames = matrix('embedding.frame');
    const { rows, columns, startFrame = 0 } = segment;
    return segment.patches.map((patch, n) => {
      const frame = Math.floor(n / (rows * columns));
      const y = (Math.floor(n / columns) % rows) * config.gridScale;
      const x = (n % columns) * config.gridScale;
      const quarter = width / 4;
      const spatial = Array.from({ length: width }, (_, d) => {
        const angle = (d < 2 * quarter ? x : y) / 10000 ** ((d % quarter) / quarter);
        return Math.floor(d / quarter) % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
      });
      return plus(plus(affine(patch, 'embedding.patch'), spatial), frames[startFrame + frame] ?? []);
    });
  };

  const attend = (
    qkv: readonly number[][],
    mask: number[][] | undefined,
    prompts: readonly number[][],
  ): number[][] => {
    const d = width / heads;
    const part = (line: readonly number[], which: number, head: number): number[] =>
      line.slice(which * width + head * d, which * width + (head + 1) * d);
    const keys = [...prompts, ...qkv];
    return qkv.map((line, i) =>
      Array.from({ length: heads }, (_, head) => {
        const p = softmax(
          keys.map(
            (key, j) =>
              dot(part(line, 0, head), part(key, 1, head)) / Math.sqrt(d) +
              (j < prompts.length ? 0 : (mask?.[i]?.[j - prompts.length] ?? 0)),
          ),
        );
        return Array.from({ length: d }, (__, c) =>
          p.reduce((sum, weight, j) => sum + weight * (part(keys[j] ?? [], 2, head)[c] ?? 0), 0),
        );
      }).flat(),
    );
  };

  return (
    segments: readonly PlainSegment[],
    { mask, keep, prompts, task = 'a' }: PlainOptions = {},
  ): number[][] => {
    const [first] = segments;
    if (!first) return [];
    const parts = segments.map(embedSegment);
    const keyOf = ({ row, kind }: PlainSegment): PlainKey => ({ row, kind, task });
    const rows = [keyOf(first), ...parts.flatMap((part, s) => part.map(() => keyOf(segments[s] ?? first)))];
    const prefix = matrix('embedding.word')[config.prefixToken] ?? [];
    let x = [prefix, ...parts.flat()].map((token) => named(token, 'embedding.norm'));
    for (let block = 0; block < config.layers; block += 1) {
      const path = `blocks.${block}`;
      const each = (lines: readonly number[][], name: string): number[][] =>
        lines.map((line, t) => linear(line, rows[t] ?? keyOf(first), { block, name }));
      const join = (base: readonly number[][], branch: readonly number[][], which: 1 | 2): number[][] => {
        const scale = vector(`${path}.scale${which}`);
        const factor = keep?.[2 * block + which - 1] ?? 1;
        return base.map((line, t) =>
          line.map((v, d) => v + factor * (scale[d] ?? 0) * (branch[t]?.[d] ?? 0)),
        );
      };
      const normed = (lines: readonly number[][], name: string): number[][] =>
        lines.map((line) => named(line, `${path}.${name}`));
      const deep = normed(prompts?.[block] ?? [], 'norm1').map((line) =>
        linear(line, keyOf(first), { block, name: 'attention.qkv' }),
      );
      const attended = attend(each(normed(x, 'norm1'), 'attention.qkv'), mask, deep);
      x = join(x, each(attended, 'attention.output'), 1);
      const wide = each(normed(x, 'norm2'), 'ffn.fc1').map((line) => line.map(gelu));
      x = join(x, each(wide, 'ffn.fc2'), 2);
    }
    return x;
  };
};
