import { evaluate } from '@polygate/app-evaluate';
import { createLogger } from '@polygate/core';
const t=performance.now();
const logger=createLogger((l,m)=>console.log(((performance.now()-t)/1000).toFixed(1), (process.cpuUsage().user/1e6).toFixed(1), l, m));
const r = await evaluate({run:process.argv[2], suite:'/work/main/data/mini', limit:+process.argv[3], output:'/tmp/gen/out'}, {logger});
console.log(r.files, (performance.now()-t)/1000);
