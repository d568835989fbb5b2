/** Child process of one run on a small set. */
import { serveOrder } from '../serve-order.ts';
import { runSmall } from './small-run.ts';

serveOrder(runSmall);
