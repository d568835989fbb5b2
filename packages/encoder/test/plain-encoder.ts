/**
 * The encoder once more, one sample at a time, in loops over plain numbers and with every expert computed for itself:
 * y = sum_e g_e (W_e x + b_e). Written from the formulas; shares no code with the encoder.
 */
import { attributeSchema, rowBits, type AttributeRow } from '@polygate/attributes';
import { text, visual } from '@polygate/modalities';
import type { ResolvedEncoderConfig } from '../src/config/config.ts';
import { modalitySettings } from '../src/config/shape-config.ts';
import type { UniPerceiver } from '../src/models/uni-perceiver.ts';

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
  /** [T] 0 at padding. */
  readonly visible?: readonly number[];
  /** [T] 0 at tokens that the context leaves out. @default visible */
  readonly context?: readonly number[];
}

/** What a router on tokens may look at. */
interface PlainFlags extends Pick<PlainOptions, 'visible' | 'context'> {
  /** Prompts are a sequence of their own that nothing is dropped from. */
  readonly prompts?: boolean;
  /** [T] experts that each token chooses. */
  readonly topKs?: readonly number[];
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
  const maximum = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - maximum));
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
    const cache = new Map<string, T>();
    return (name) => {
      const value = cache.get(name) ?? make(name);
      cache.set(name, value);
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

  /** The group of experts that a linear belongs to. */
  const groupOf = (block: number, linear: string) =>
    config.moe?.groups.find(
      ({ blocks, linears }) => blocks.includes(block) && linears.some((names) => names.includes(linear)),
    );

  /** Parameters of the router that serves a linear; routers of a group are counted by block, then as they are listed. */
  const routerOf = (block: number, linear: string): ((name: string, size: number) => number[]) => {
    const group = groupOf(block, linear);
    if (!group) return () => [];
    const linearAt = group.linears.findIndex((linears) => linears.includes(linear));
    const site = group.blocks.indexOf(block) * group.linears.length + linearAt;
    const prefix = group.name === 'experts' ? 'routers' : `routers.${group.name}`;
    return (name, size) =>
      [...(values.get(`${prefix}.${name}`)?.data ?? [])].slice(site * size, (site + 1) * size);
  };

  const gatesOf = (block: number, linear: string, { row, kind, task }: PlainKey): number[] => {
    const group = groupOf(block, linear);
    if (!group || !config.moe) return [];
    const { tasks, modalities } = config.moe;
    const moe = { ...group, tasks, modalities };
    const topK = group.topKByModality[kind] ?? group.topK;
    if (moe.condition === 'task-specific') return moe.tasks.map((name) => (name === task ? 1 : 0));
    const part = routerOf(block, linear);
    const embedded = (names: readonly string[], name: string): number[] => {
      const table = part(`${moe.condition}.embedding`, names.length * width);
      return table.slice(names.indexOf(name) * width, (names.indexOf(name) + 1) * width);
    };
    const attributes = (): number[] => {
      const bits = rowBits(row, attributeSchema(config.moe?.attributes ?? []));
      const A = bits.length;
      const w = part('attribute.weight', width * A);
      const z = part('attribute.bias', width).map((b, d) => b + dot(w.slice(d * A, d * A + A), bits));
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
    const kept = [...p.keys()].sort((a, b) => (p[b] ?? 0) - (p[a] ?? 0)).slice(0, topK);
    const total = (moe.renormalize ?? topK > 1) ? kept.reduce((sum, e) => sum + (p[e] ?? 0), 0) : 1;
    return p.map((value, e) => (kept.includes(e) ? value / total : 0));
  };

  /** CLIP's attention pool of the tokens that may be seen; one head, for widths that 64 does not divide. */
  const pool = (
    part: (name: string, size: number) => number[],
    seen: readonly (readonly number[])[],
  ): number[] => {
    const project = (x: readonly number[], name: string, biased = true): number[] => {
      const weight = part(`pool.${name}.weight`, width * width);
      const bias = biased ? part(`pool.${name}.bias`, width) : [];
      return x.map((_, o) => dot(weight.slice(o * width, (o + 1) * width), x) + (bias[o] ?? 0));
    };
    const mean = Array.from(
      { length: width },
      (_, d) => seen.reduce((sum, x) => sum + (x[d] ?? 0), 0) / seen.length,
    );
    const query = project(mean, 'query');
    const a = softmax(seen.map((x) => dot(query, project(x, 'key', false)) / Math.sqrt(width)));
    const pooled = Array.from({ length: width }, (_, d) =>
      a.reduce((sum, weight, t) => sum + weight * (project(seen[t] ?? [], 'value')[d] ?? 0), 0),
    );
    return project(pooled, 'output');
  };

  /** Gates of every token of one sequence at one router, what has no slot taken out. */
  const tokenGates = (
    lines: readonly (readonly number[])[],
    { block, name }: { block: number; name: string },
    { visible = lines.map(() => 1), context = visible, prompts = false, topKs }: PlainFlags,
  ): number[][] => {
    const moe = groupOf(block, name);
    if (!moe) return [];
    const { experts, topK, renormalize, capacityFactor } = moe;
    const part = routerOf(block, name);
    const wide = moe.condition === 'context' ? 2 * width : width;
    const w = part('gate.weight', experts * wide);
    const shared =
      moe.condition === 'context'
        ? pool(
            part,
            lines.filter((_, t) => context[t] !== 0),
          )
        : [];
    const p = lines.map((x) =>
      softmax(
        Array.from({ length: experts }, (_, e) => dot([...x, ...shared], w.slice(e * wide, (e + 1) * wide))),
      ),
    );
    const kept = p.map((gate, row) =>
      [...gate.keys()].sort((a, b) => (gate[b] ?? 0) - (gate[a] ?? 0)).slice(0, topKs?.[row] ?? topK),
    );
    const total = visible.reduce((sum, flag, t) => sum + (flag === 0 ? 0 : (topKs?.[t] ?? topK)), 0);
    const slots =
      prompts || capacityFactor === 'dropless'
        ? Infinity
        : Math.ceil((capacityFactor.evaluate * total) / experts);
    const gates = p.map((row) => row.map(() => 0));
    const used = new Array<number>(experts).fill(0);
    for (let k = 0; k < experts; k += 1) {
      for (const [t, row] of p.entries()) {
        const e = kept[t]?.[k];
        if (e === undefined || visible[t] === 0) continue;
        used[e] = (used[e] ?? 0) + 1;
        if ((used[e] ?? 0) > slots) continue;
        const total =
          (renormalize ?? (kept[t] ?? []).length > 1)
            ? (kept[t] ?? []).reduce((sum, id) => sum + (row[id] ?? 0), 0)
            : 1;
        (gates[t] as number[])[e] = (row[e] ?? 0) / total;
      }
    }
    return gates;
  };

  const mixed = (x: readonly number[], path: string, gates: readonly number[]): number[] =>
    gates
      .map((gate, e) => affine(x, `${path}.experts.${e}`).map((value) => gate * value))
      .reduce((sum, part) => plus(sum, part));

  const linear = (
    x: readonly number[],
    row: PlainKey,
    { block, name }: { block: number; name: string },
  ): number[] => {
    const path = `blocks.${block}.${name}`;
    if (values.has(`${path}.weight`)) return affine(x, path);
    return mixed(x, path, gatesOf(block, name, row));
  };

  const { gridScale } = modalitySettings(config, visual);
  const { prefixToken } = modalitySettings(config, text);
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
      const y = (Math.floor(n / columns) % rows) * gridScale;
      const x = (n % columns) * gridScale;
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
    { mask, keep, prompts, task = 'a', visible, context }: PlainOptions = {},
  ): number[][] => {
    const [first] = segments;
    if (!first) return [];
    const parts = segments.map(embedSegment);
    const keyOf = ({ row, kind }: PlainSegment): PlainKey => ({ row, kind, task });
    const rows = [keyOf(first), ...parts.flatMap((part, s) => part.map(() => keyOf(segments[s] ?? first)))];
    const prefix = matrix('embedding.word')[prefixToken] ?? [];
    let x = [prefix, ...parts.flat()].map((token) => named(token, 'embedding.norm'));
    for (let block = 0; block < config.layers; block += 1) {
      const path = `blocks.${block}`;
      const flags = { ...(visible ? { visible } : {}), ...(context ? { context } : {}) };
      const byTokenOf = (name: string): boolean =>
        ['token', 'context'].includes(groupOf(block, name)?.condition ?? '');
      const topKsOf = (name: string): readonly number[] =>
        rows.map(({ kind }) => groupOf(block, name)?.topKByModality[kind] ?? groupOf(block, name)?.topK ?? 0);
      /** Decisions of this block by the first linear that uses them. */
      const decided = new Map<string, number[][]>();
      const each = (lines: readonly number[][], name: string, routed = lines): number[][] => {
        if (!byTokenOf(name)) {
          return lines.map((line, t) => linear(line, rows[t] ?? keyOf(first), { block, name }));
        }
        const site = groupOf(block, name)?.linears.find((names) => names.includes(name))?.[0] ?? name;
        const gates =
          decided.get(site) ?? tokenGates(routed, { block, name }, { ...flags, topKs: topKsOf(name) });
        decided.set(site, gates);
        return lines.map((line, t) => mixed(line, `${path}.${name}`, gates[t] ?? []));
      };
      const join = (base: readonly number[][], branch: readonly number[][], which: 1 | 2): number[][] => {
        const scale = vector(`${path}.scale${which}`);
        const factor = keep?.[2 * block + which - 1] ?? 1;
        return base.map((line, t) =>
          line.map((v, d) => v + factor * (scale[d] ?? 0) * (branch[t]?.[d] ?? 0)),
        );
      };
      const normed = (lines: readonly number[][], name: string): number[][] =>
        lines.map((line) => named(line, `${path}.${name}`));
      const prompted = normed(prompts?.[block] ?? [], 'norm1');
      const deepOf = (name: string): number[][] => {
        const gates =
          byTokenOf(name) && prompted.length > 0
            ? tokenGates(
                prompted,
                { block, name },
                { prompts: true, topKs: prompted.map(() => topKsOf(name)[0] ?? 0) },
              )
            : [];
        return prompted.map((line, n) =>
          byTokenOf(name)
            ? mixed(line, `${path}.${name}`, gates[n] ?? [])
            : linear(line, keyOf(first), { block, name }),
        );
      };
      const sideBySide = (parts: readonly number[][][]): number[][] =>
        (parts[0] ?? []).map((_, t) => parts.flatMap((part) => part[t] ?? []));
      const split = ['attention.query', 'attention.key', 'attention.value'];
      const normal = normed(x, 'norm1');
      const qkv = config.splitAttention
        ? sideBySide(split.map((name) => each(normal, name)))
        : each(normal, 'attention.qkv');
      const deep = config.splitAttention ? sideBySide(split.map(deepOf)) : deepOf('attention.qkv');
      const attended = attend(qkv, mask, deep);
      x = join(x, each(attended, 'attention.output'), 1);
      const inner = normed(x, 'norm2');
      const wide = each(inner, 'ffn.fc1').map((line) => line.map(gelu));
      x = join(x, each(wide, 'ffn.fc2', inner), 2);
    }
    return x;
  };
};
