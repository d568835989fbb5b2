import { registerBinaryKernels } from './binary.ts';
import { registerConvolutionKernels } from './convolutions.ts';
import { registerComplexKernels, registerCreationKernels } from './creation.ts';
import { registerIndexingKernels } from './indexing.ts';
import { registerNormalizationKernels } from './normalization.ts';
import { registerPoolingKernels } from './pooling.ts';
import { registerProductKernels } from './products.ts';
import { registerReductionKernels } from './reductions.ts';
import { registerResizingKernels } from './resizing.ts';
import { registerUnaryKernels } from './unary.ts';
import { registerViewKernels } from './views.ts';

/** Registers the kernels of tfjs's own operations that run on LibTorch. */
export const registerStandardKernels = (): void => {
  registerUnaryKernels();
  registerBinaryKernels();
  registerReductionKernels();
  registerProductKernels();
  registerConvolutionKernels();
  registerPoolingKernels();
  registerViewKernels();
  registerIndexingKernels();
  registerNormalizationKernels();
  registerCreationKernels();
  registerComplexKernels();
  registerResizingKernels();
};
