import { startTimetonicSandbox } from '../../sandbox/timetonic/index.ts';

/** Started with `fork`: runs a stand-in TimeTonic alone in its process, and says its addresses and its memory in bytes. */
const { baseUrl, uploadUrl } = await startTimetonicSandbox();
const idle = process.memoryUsage().rss;
let most = idle;
setInterval(() => {
  most = Math.max(most, process.memoryUsage().rss);
}, 10).unref();
process.send?.({ baseUrl, uploadUrl });
process.on('message', () => process.send?.({ grown: most - idle }));
