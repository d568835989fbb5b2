/** First entry of the conformance bundle: gradients, chained operators and the torch engine. */
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops';
import { setTestEnvs } from '@tensorflow/tfjs-core/dist/jasmine_util';
import { registerTorchEngine } from '../src/engine.ts';

const device = process.env.POLYGATE_CONFORMANCE_DEVICE ?? 'cpu';
await registerTorchEngine({ device });

setTestEnvs([{ name: 'torch', backendName: 'torch', flags: {}, isDataSync: true }]);
