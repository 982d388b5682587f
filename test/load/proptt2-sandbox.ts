import { startProptt2Sandbox } from '../../sandbox/proptt2/index.ts';

/** The stand-in ProPTT2 with `COMPANIES` companies, as a process of its own; it prints its address. */
const sandbox = await startProptt2Sandbox({ companyCount: Number(process.env.COMPANIES) });
process.stdout.write(`address ${sandbox.url}\n`);
