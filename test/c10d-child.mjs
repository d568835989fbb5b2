// A rank of a group that comes and then makes no call, for whoever kills it.
import { connectC10d } from '@polygate/backend-torch/c10d';

await connectC10d(JSON.parse(process.argv[2]));
process.send('here');
setInterval(() => undefined, 1000);
