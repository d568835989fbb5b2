/**
 * A low-rank adapter in the form of peft (adapter_config.json, adapter_model.safetensors), for programs that have the base's
 * weights in PyTorch under the names that they have in model.safetensors: `peft.PeftModel.from_pretrained(model, folder)`.
 * Norms that the adapter has of its own are peft's `modules_to_save`.
 */
import { ConfigError } from '@polygate/core';
import { writeFileAtomic } from '@polygate/core/node';
import { writeSafetensors, type WritableTensor } from '@polygate/nn';
import * as tf from '@tensorflow/tfjs';
import { join } from 'node:path';
import type { Generalist } from './model.ts';

const PREFIX = 'base_model.model.';

const tensorOf = (value: tf.Tensor): WritableTensor => ({
  dtype: 'F32',
  shape: value.shape,
  data: () => Promise.resolve(Float32Array.from(value.dataSync<'float32'>())),
});

/** Without the last part: `blocks.0.norm1` of `blocks.0.norm1.weight`. */
const moduleOf = (parameter: string): string => parameter.slice(0, parameter.lastIndexOf('.'));

/**
 * Writes the adapter of a tuned model as peft has it.
 * @param base SHA-256 of the base's weights, which stands in the file's metadata
 * @throws ConfigError (code `no-peft-form`) for an adapter that has more than products of linears and norms, or another
 * method's; (code `not-foldable`) for experts that can't have what is added beside all of them
 */
export const savePeftAdapter = async (model: Generalist, folder: string, base: string): Promise<void> => {
  const form = model.exports?.lowRank?.();
  if (!form) {
    const { adapter } = model.config;
    const got =
      adapter === undefined
        ? 'a model without an adapter'
        : `a model of the method ${adapter.method}${model.exports?.folded ? ' with heads or tokens of classes' : ''}`;
    const remedy = model.exports?.folded ? 'tune with classes=none, or ' : '';
    throw new ConfigError(
      `peft: expected products of linears alone, got ${got}; ${remedy}export it as a model or an adapter`,
      { code: 'no-peft-form' },
    );
  }
  try {
    const tensors = new Map<string, WritableTensor>();
    const ranks: Record<string, number> = {};
    const alphas: Record<string, number> = {};
    const { rank, alpha } = form;
    for (const { parameter, a, b, alpha: productAlpha } of form.products) {
      const module = moduleOf(parameter);
      tensors.set(`${PREFIX}${module}.lora_A.weight`, tensorOf(a));
      tensors.set(`${PREFIX}${module}.lora_B.weight`, tensorOf(b));
      if (a.shape[0] !== rank) ranks[module] = a.shape[0];
      if (productAlpha !== alpha) alphas[module] = productAlpha;
    }
    for (const { name, value } of form.replaced) tensors.set(`${PREFIX}${name}`, tensorOf(value));
    const saved = [...new Set(form.replaced.map(({ name }) => moduleOf(name)))];
    const config = {
      peft_type: 'LORA',
      task_type: null,
      base_model_name_or_path: null,
      inference_mode: true,
      r: rank,
      lora_alpha: alpha,
      lora_dropout: form.dropout,
      use_rslora: form.rankStabilized,
      use_dora: false,
      bias: 'none',
      fan_in_fan_out: false,
      init_lora_weights: true,
      target_modules: form.products.map(({ parameter }) => moduleOf(parameter)),
      modules_to_save: saved.length > 0 ? saved : null,
      rank_pattern: ranks,
      alpha_pattern: alphas,
    };
    await writeSafetensors(join(folder, 'adapter_model.safetensors'), tensors, {
      format: 'pt',
      'polygate.base': base,
    });
    await writeFileAtomic(join(folder, 'adapter_config.json'), `${JSON.stringify(config, null, 2)}\n`);
  } finally {
    for (const { a, b } of form.products) tf.dispose([a, b]);
  }
};
