/**
 * A routing condition of another package: experts by the pair of modality and task, R = embed(modality) + weight *
 * embed(task), with a setting of its own.
 *
 * A recipe loads this file by `extensions: ["./toy-condition.mjs"]`, a command by `--extension toy-condition.mjs`; then
 * `model.moe.condition=toy-pair` routes by it. The record says what its decisions depend on (`reads`) and what they cost
 * (`parameters`, `flops`): experts can be merged and exported because it reads nothing of a token.
 *
 * S sites · R rows · D width
 */
import { ConfigError } from '@polygate/core';
import { registerCondition } from '@polygate/routers';
import { z } from 'zod';

const NAME = 'toy-pair';

const indexOf = (names, name, kind) => {
  const index = names.indexOf(name);
  if (index < 0) {
    throw new ConfigError(`${NAME} condition: expected a ${kind} among ${names.join(', ')}, got "${name}"`);
  }
  return index;
};

const create = ({ modalities, tasks, settings: { taskWeight } }) => {
  const tables = [
    { parameter: 'pair.modality', names: modalities, weight: 1, kind: 'modality' },
    { parameter: 'pair.task', names: tasks, weight: taskWeight, kind: 'task' },
  ];
  return {
    name: NAME,
    dataIndependent: true,
    reads: ['modality', 'task'],
    representationWidth: ({ width }) => width,
    parameters: ({ width, sites }) =>
      tables.map(({ parameter, names }) => ({
        name: parameter,
        shape: [sites, names.length, width],
        initializer: { kind: 'normal', std: 1 },
        role: 'gate',
      })),
    // A model that starts from another takes the rows of the names that both know.
    rowNames: Object.fromEntries(tables.map(({ parameter, names }) => [parameter, names])),
    // A sum, and the product with the gates.
    flops: ({ width, experts }) => ({ decision: 2 * width + 2 * experts * width }),
    keyOf: ({ modality, task }) => JSON.stringify([modality, task]),
    represent: (values, rows, { width, sites }) => {
      const indices = tables.map(({ names, kind }) => rows.map((row) => indexOf(names, row[kind], kind)));
      const each = (visit) => {
        for (const [t, { names, weight }] of tables.entries()) {
          for (let site = 0; site < sites; site += 1) {
            for (const [r, index] of indices[t].entries()) {
              for (let d = 0; d < width; d += 1) {
                const entry = (site * names.length + index) * width + d;
                visit({ table: t, entry, at: (site * rows.length + r) * width + d, weight });
              }
            }
          }
        }
      };
      const result = new Float64Array(sites * rows.length * width);
      each(({ table, entry, at, weight }) => {
        result[at] += weight * values[table][entry];
      });
      return {
        values: result,
        backward: (gradient) => {
          const gradients = values.map((table) => new Float32Array(table.length));
          each(({ table, entry, at, weight }) => {
            gradients[table][entry] += weight * gradient[at];
          });
          return gradients;
        },
      };
    },
  };
};

registerCondition({
  name: NAME,
  summary: 'the pair of modality and task',
  settings: z.strictObject({ taskWeight: z.number().min(0).max(100).default(1) }),
  create,
});
