/** Options of the families' predictions as the command line writes them. */
import { ConfigError, excerpt, unknownName } from '@polygate/core';
import { taskPredictors, type PredictOption } from '@polygate/tasks';
import { amount, list, oneOf, positive } from './options.ts';

/** Largest count of an option that names no other. */
const MAX_COUNT = 2 ** 20;

/** What an option's text stands for. @param flag what error texts call it */
export const optionValue = (option: PredictOption, flag: string): ((text: string) => unknown) => {
  const { type, most = MAX_COUNT, choices = [] } = option;
  switch (type) {
    case 'count':
      return positive(flag, most);
    case 'number':
      return amount(flag);
    case 'choice':
      return oneOf(flag, choices);
    case 'words':
      return list;
    case 'text':
      return (text) => text;
    default:
      return type satisfies never;
  }
};

/** Options of predictions by family. */
export type FamilyOptions = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/**
 * Collects `FAMILY.OPTION=VALUE`, e.g. `image-captioning.beam=5`.
 * @throws ConfigError for a family that predicts nothing, or an option that it does not have (lists those that are)
 */
export const collectFamilyOption = (text: string, before: FamilyOptions = {}): FamilyOptions => {
  const [, family = '', name = '', value = ''] = /^([\w-]+)\.(\w+)=(.*)$/u.exec(text) ?? [];
  if (family === '') {
    throw new ConfigError(
      `--predict: expected family.option=value, such as image-captioning.beam=5, got ${excerpt(text)}`,
    );
  }
  const predictors = taskPredictors();
  const predictor = predictors.find((each) => each.family.name === family);
  if (!predictor) {
    throw unknownName(
      'family with predictions',
      family,
      predictors.map((each) => each.family.name),
    );
  }
  const { options = [] } = predictor.predictor;
  const option = options.find((each) => each.name === name);
  if (!option) {
    throw unknownName(
      `option of ${family}`,
      name,
      options.map((each) => each.name),
    );
  }
  const read = optionValue(option, `--predict ${family}.${name}`)(value);
  return { ...before, [family]: { ...before[family], [name]: read } };
};
