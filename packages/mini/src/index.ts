/** Where the model of this package lies: a model folder that `openPredictor`, `initialize.from` and every `--run` take. */
import { fileURLToPath } from 'node:url';

/** Absolute path of the model folder: config.json, preprocessor_config.json, tokenizer.json, model.safetensors. */
export const modelFolder = fileURLToPath(new URL('../model', import.meta.url));
