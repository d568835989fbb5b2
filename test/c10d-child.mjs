// A rank of a group that comes and then makes no call, for whoever kills it; or that waits for the others once it is told to.
import { connectC10d } from '@polygate/backend-torch/c10d';

const { waits = false, ...options } = JSON.parse(process.argv[2]);
const group = await connectC10d(options);
process.send('here');
if (waits) {
  process.once('message', async () => {
    process.disconnect();
    try {
      await group.barrier();
    } catch (error) {
      console.error(`${error.code}: ${error.message}`);
      process.exitCode = 3;
    }
    await group[Symbol.asyncDispose]();
  });
} else {
  setInterval(() => undefined, 1000);
}
