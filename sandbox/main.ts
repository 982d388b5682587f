import { randomBytes } from 'node:crypto';
import { startProptt2Sandbox } from './proptt2/index.ts';
import { startTalkSandbox } from './talk/index.ts';
import { startTimetonicSandbox } from './timetonic/index.ts';

/** The stand-in vendors alone, for anyone who builds against ProPTT2, Nextcloud Talk or TimeTonic. */
const firstPort = Number(process.env.SANDBOX_PORT ?? 9100);
const controlKey = process.env.SANDBOX_CONTROL_KEY ?? randomBytes(12).toString('base64url');
const portAt = (offset: number) => ({ port: firstPort === 0 ? 0 : firstPort + offset, controlKey });

const proptt2 = await startProptt2Sandbox(portAt(0));
const talk = await startTalkSandbox(portAt(1));
const timetonic = await startTimetonicSandbox(portAt(2));
process.stdout.write(`ProPTT2          ${proptt2.url}   owner owner@company.com, interaction key bb00cc
Nextcloud Talk   ${talk.url}   user alice, app password alice-app-password
TimeTonic        ${timetonic.baseUrl}   login demo, password demo-password
Controls         POST /__sandbox/… at each, with Authorization: Bearer ${controlKey}
ready
`);

const end = () => {
  void Promise.all([proptt2.close(), talk.close(), timetonic.close()]).then(() => process.exit(0));
};
process.once('SIGINT', end);
process.once('SIGTERM', end);
