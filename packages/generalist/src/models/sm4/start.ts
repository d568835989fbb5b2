/** Starts from another SM^4: a training on one task first, then on several (SM^4, table 16). */
import { ConfigError } from '@polygate/core';
import type { Generalist, StartOptions, StartReport } from '../model.ts';

/**
 * Takes the parameters of one name and shape; the rest stays as it was drawn.
 * @throws ConfigError (code `start-differs`) where all must be taken and some are not
 */
export const startSm4 = async (
  model: Pick<Generalist, 'parameters'>,
  start: Pick<Generalist, 'parameters'>,
  { strict = false }: StartOptions,
): Promise<StartReport> => {
  const theirs = new Map(start.parameters.entries().map((entry) => [entry.name, entry]));
  const entries: { name: string; source: { how: string }; reason?: string }[] = [];
  for (const { name, variable } of model.parameters.entries()) {
    const other = theirs.get(name);
    if (other && other.variable.shape.join() === variable.shape.join()) {
      model.parameters.write(name, (await other.variable.data()) as Float32Array);
      entries.push({ name, source: { how: 'taken' } });
      continue;
    }
    const reason = other ? 'of another shape in the start' : 'not in the start';
    if (strict) {
      throw new ConfigError(`sm4: expected a start that has all parameters, got ${name} ${reason}`, {
        code: 'start-differs',
        fields: { name },
      });
    }
    entries.push({ name, source: { how: 'new' }, reason });
  }
  const names = new Set(model.parameters.entries().map(({ name }) => name));
  const left = [...theirs.keys()]
    .filter((name) => !names.has(name))
    .map((name) => ({ name, reason: 'the model has no such parameter' }));
  return { entries, left, settings: [] };
};
