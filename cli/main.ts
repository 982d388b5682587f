#!/usr/bin/env node
import { styleText } from 'node:util';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import project from '../package.json' with { type: 'json' };
import { findAccount } from './account.ts';
import { type Api, apiOf } from './api.ts';
import { exitCodeOf, exitCodes, UsageError } from './failures.ts';
import { type Output, outputOf } from './output.ts';

interface Global {
  url?: string;
  key?: string;
  json?: boolean;
}

const program = new Command('trunkline')
  .version(project.version)
  .description('Radios, chat and tables behind one API: start it, call it, watch it.')
  .option(
    '--url <address>',
    'the installation; default: TRUNKLINE_URL, the one on this machine, or the one you signed in to',
  )
  .option('--key <key>', 'the key; default: TRUNKLINE_KEY, or the one stored for the address')
  .option('--json', 'write JSON, one value a line')
  .showSuggestionAfterError()
  .exitOverride()
  .configureOutput({
    // Options are not read yet where the command line itself is wrong.
    outputError: (text, write) =>
      write(process.argv.includes('--json') ? `${JSON.stringify({ error: { message: text.trim() } })}\n` : text),
  })
  .addHelpText(
    'after',
    `
Exit codes: 0 done, 1 rejected or failed, 2 wrong command line, 3 key missing or without the scope,
4 a retry may succeed, 5 a write whose response was lost.

Examples:
  trunkline call proptt2/demo/sendSosToChannel channelId=1
  trunkline tail runs --state failed
  trunkline bulk users.csv proptt2/dispatch/createUser --rate 2`,
  );

const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort());
process.once('SIGTERM', () => interrupted.abort());
const { signal } = interrupted;

const outputNow = (): Output => outputOf(program.opts<Global>().json === true);
const apiNow = (): Api => apiOf(findAccount(program.opts<Global>()));
/** A command that found something wrong ends with 1 although nothing was thrown. */
const failUnless = (good: boolean) => {
  if (!good) process.exitCode = exitCodes.failed;
};

function positive(text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('It must be a number above 0.');
}

program
  .command('start')
  .description('run the whole product on this machine; settings come from the environment')
  .action(async () => {
    if (program.opts<Global>().json) process.env.TRUNKLINE_LOG = 'json';
    // Built, the product is next to the command line; in a checkout it is built first.
    const start = import.meta.filename.endsWith('.ts') ? '../dist/local/start.mjs' : '../local/start.mjs';
    await import(start);
  });

program
  .command('sign-in')
  .description('remember an address and a key for this user')
  .action(async () => (await import('./commands/connect.ts')).signIn(outputNow(), program.opts<Global>()));

program
  .command('env')
  .description('print URL, KEY, AUTH and JSON as shell variables: eval "$(trunkline env)"')
  .action(async () => {
    const account = findAccount(program.opts<Global>());
    const { variables } = await import('./commands/env.ts');
    if (program.opts<Global>().json) outputNow().result(account);
    else process.stdout.write(variables(account));
  });

program
  .command('connect [vendor] [name] [fields...]')
  .description('create a connection: asks for what is missing, stores, checks')
  .action(async (vendor?: string, name?: string, fields: string[] = []) => {
    const { connect } = await import('./commands/connect.ts');
    failUnless(await connect(apiNow(), outputNow(), vendor, name, fields));
  });

program
  .command('call <operation> [fields...]')
  .description('call vendor/connection/operation with name=text, name:=json and name@=file')
  .option('-d, --data <json>', 'fields as JSON, @file, or - for standard input')
  .option('--idempotency-key <key>', 'carry it out once, even if it is sent again')
  .option('--later', 'return a run immediately')
  .action(async (operation: string, fields: string[], options) =>
    (await import('./commands/call.ts')).call(apiNow(), outputNow(), operation, fields, options),
  );

program
  .command('tail')
  .description('follow events, runs or deliveries as they happen')
  .addArgument(program.createArgument('<what>').choices(['events', 'runs', 'deliveries']))
  .option('--type <type>', 'events of this type, such as talk.message.created')
  .option('--connection <name>', 'events of this connection or hook')
  .option('--automation <id>', 'runs of this automation')
  .option('--subscription <id>', 'deliveries of this subscription')
  .option('--state <state>', 'runs or deliveries in this state')
  .option('-n, --limit <count>', 'stop after so many', positive)
  .action(async (what, options) =>
    (await import('./commands/tail.ts')).tail(apiNow(), outputNow(), what, { ...options, signal }),
  );

program
  .command('trigger <address>')
  .description('post a message to a hook as its sender would')
  .requiredOption('-d, --data <json>', 'the message as JSON, @file, or - for standard input')
  .addOption(
    new Option('--sign <kind>', 'how the sender signs').choices([
      'standard-webhooks',
      'github',
      'stripe',
      'bearer',
      'basic',
    ]),
  )
  .option('--secret <secret>', "the hook's secret; user:password for basic")
  .option('--wait <seconds>', "wait for the runs' results", positive)
  .action(async (address: string, options) =>
    (await import('./commands/trigger.ts')).trigger(outputNow(), address, options),
  );

program
  .command('listen <target>')
  .description('forward new events to a port or address on this machine, signed as deliveries are')
  .option('--subscription <id>', 'the events that this subscription delivers')
  .option('--type <type>', 'events of this type')
  .option('--connection <name>', 'events of this connection or hook')
  .option('--secret <secret>', 'whsec_… to sign with; generated by default')
  .option('-n, --limit <count>', 'stop after so many', positive)
  .action(async (target: string, options) =>
    (await import('./commands/listen.ts')).listen(apiNow(), outputNow(), target, { ...options, signal }),
  );

program
  .command('bulk <file> <operation>')
  .description('call an operation for each row of a CSV or JSON Lines file; continues after an interruption')
  .option('--rate <calls>', 'calls a second', positive, 5)
  .option('--restart', 'start again at the first row')
  .action(async (file: string, operation: string, options) => {
    const { bulk } = await import('./commands/bulk.ts');
    failUnless(await bulk(apiNow(), outputNow(), file, operation, { ...options, signal }));
  });

program
  .command('export <folder>')
  .description('write connections, hooks, automations, installed recipes and subscriptions as files, without secrets')
  .action(async (folder: string) => (await import('./commands/folder.ts')).exportFolder(apiNow(), outputNow(), folder));

program
  .command('diff <folder>')
  .description('show what applying the folder would change')
  .option('--prune', 'count hooks, automations and subscriptions that the folder does not have as deleted')
  .action(async (folder: string, { prune = false }: { prune?: boolean }) => {
    const { applyFolder } = await import('./commands/folder.ts');
    failUnless(await applyFolder(apiNow(), outputNow(), folder, { dryRun: true, prune }));
  });

program
  .command('apply <folder>')
  .description('change the installation to match the folder; repeating it changes nothing')
  .option('--prune', 'delete hooks, automations and subscriptions that the folder does not have')
  .action(async (folder: string, { prune = false }: { prune?: boolean }) => {
    const { applyFolder } = await import('./commands/folder.ts');
    failUnless(await applyFolder(apiNow(), outputNow(), folder, { dryRun: false, prune }));
  });

program
  .command('rehearse <automation>')
  .description('show the run that an event would start; nothing is sent')
  .option('--event <id>', 'a stored event, at its time; without an event, a sample is used')
  .option('-d, --data <json>', 'an event as JSON, @file, or - for standard input')
  .option('--reads', 'perform read operations')
  .action(async (automation: string, options) =>
    (await import('./commands/runs.ts')).rehearse(apiNow(), outputNow(), automation, options),
  );

program
  .command('backtest <automation>')
  .description('show the runs that past events would have started; nothing is sent')
  .requiredOption('--since <time>', 'from this time on: 2026-01-05T02:11:09Z, 24h or 7d')
  .option('--until <time>', 'up to this time')
  .option('-n, --limit <count>', 'events at most', positive)
  .action(async (automation: string, options) =>
    (await import('./commands/runs.ts')).backtest(apiNow(), outputNow(), automation, options),
  );

program
  .command('replay <run>')
  .description('repeat what failed in a run')
  .option('--all', 'repeat all steps')
  .option('-y, --yes', 'do not ask')
  .action(async (run: string, options) =>
    (await import('./commands/runs.ts')).replay(apiNow(), outputNow(), run, options),
  );

program
  .command('pause')
  .description('pause all sending; incoming work waits')
  .option('--reason <text>', 'a reason to show')
  .option('--show', 'only show whether sending is paused, and what waits')
  .action(async ({ reason, show }: { reason?: string; show?: boolean }) =>
    (await import('./commands/runs.ts')).pause(apiNow(), outputNow(), show ? 'show' : 'pause', reason),
  );

program
  .command('resume')
  .description('resume sending')
  .action(async () => (await import('./commands/runs.ts')).pause(apiNow(), outputNow(), 'resume'));

program
  .command('doctor')
  .description('find problems of the installation, and explain what to do')
  .option('--aws', 'the AWS account as well')
  .action(async (options) =>
    failUnless(await (await import('./commands/doctor.ts')).doctor(apiNow(), outputNow(), options)),
  );

program
  .command('completion <shell>')
  .description('print the completion script for bash or zsh')
  .action(async (shell: string) => {
    process.stdout.write((await import('./commands/completion.ts')).completionScript(shell));
  });

program
  .command('__complete [words...]', { hidden: true })
  .allowUnknownOption()
  .action(async (words: string[] = []) => {
    const { complete } = await import('./commands/completion.ts');
    const names = program.commands.map((each) => each.name()).filter((name) => !name.startsWith('_'));
    const found = await complete(words, names, apiNow).catch(() => []);
    process.stdout.write(found.map((each) => `${each}\n`).join(''));
  });

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed what is wrong; help and version are not failures.
    process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  } else if (!signal.aborted) {
    outputNow().failure(error);
    if (error instanceof UsageError) process.stderr.write(styleText('dim', 'See trunkline --help.\n'));
    process.exitCode = exitCodeOf(error);
  }
}
