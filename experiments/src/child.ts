/** Child process of one run of an experiment. */
import { runOnce } from './run-once.ts';
import { serveOrder } from './serve-order.ts';

serveOrder(runOnce);
