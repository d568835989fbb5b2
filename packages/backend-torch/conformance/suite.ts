/** Second entry: the official tfjs backend suite, which reads the environments set by the first. */
import './environment.ts';
import '@tensorflow/tfjs-core/dist/tests';
