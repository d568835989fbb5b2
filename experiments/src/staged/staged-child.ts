/** Child process of one run of a staged experiment. */
import { serveOrder } from '../serve-order.ts';
import { runStage } from './staged-run.ts';

serveOrder(runStage);
