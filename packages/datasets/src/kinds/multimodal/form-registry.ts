/** How the inputs of multimodal samples lie in rows: one record for each form. */
import { call, createRegistry, rules, type RecordShape } from '@polygate/core';
import { audioForm } from './audio-form.ts';
import { imageForm } from './image-form.ts';
import type { InputForm } from './input-form.ts';
import { textForm } from './text-form.ts';
import { valueForm } from './value-form.ts';

const shape: RecordShape<InputForm> = {
  column: call(),
  cell: call(),
  missing: call(),
  synthetic: call(),
  isMeasured: rules.flag,
};

const registry = createRegistry<InputForm>(
  'form of input',
  [valueForm, imageForm, textForm, audioForm],
  shape,
);

/** The form of a name. @throws ConfigError listing the registered ones */
export const formNamed = registry.named;
