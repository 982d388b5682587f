import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { trunkline } from '../../cdk/trunkline.ts';
import type { FunctionDeclaration } from '../../functions/declarations.ts';
import { functions } from '../../functions/declarations.ts';
import { type TemplateJson, Templates } from './stack-template.ts';

/** The app as `cdk synth` sees it, but for the code: each function gets a folder with one line in it. */
export function makeApp(
  context: Record<string, unknown> = {},
  declarations: readonly FunctionDeclaration[] = functions,
) {
  const { context: configured } = JSON.parse(readFileSync('cdk.json', 'utf8')) as { context: Record<string, unknown> };
  const directory = mkdtempSync(join(tmpdir(), 'trunkline-synth-'));
  writeFileSync(join(directory, 'index.mjs'), 'export const handler = async () => undefined;\n');
  const app = new App({ context: { ...configured, ...context } });
  trunkline(app, declarations, () => directory);
  return app;
}

/** Runs `cdk synth` as somebody without a network, credentials or docker would. */
export async function runCdkSynth(home: string, output: string): Promise<void> {
  const nowhere = 'http://127.0.0.1:9';
  await promisify(execFile)('node_modules/.bin/cdk', ['synth', '--quiet', '--output', output], {
    env: {
      PATH: [join(process.cwd(), 'node_modules', '.bin'), dirname(process.execPath), '/usr/bin', '/bin'].join(
        delimiter,
      ),
      HOME: home,
      HTTP_PROXY: nowhere,
      HTTPS_PROXY: nowhere,
      AWS_EC2_METADATA_DISABLED: 'true',
      CI: 'true',
    },
  });
}

/** The templates that `cdk synth` has written. */
export function templatesIn(assembly: string): Templates {
  const suffix = '.template.json';
  const files = readdirSync(assembly).filter((name) => name.endsWith(suffix));
  return new Templates(
    new Map(
      files.map((name) => [
        name.slice(0, -suffix.length),
        JSON.parse(readFileSync(join(assembly, name), 'utf8')) as TemplateJson,
      ]),
    ),
  );
}

/** The templates of an app. */
export function templatesOf(app: App): Templates {
  const stacks = app.node.children.filter(Stack.isStack);
  return new Templates(
    new Map(stacks.map((stack) => [stack.stackName, Template.fromStack(stack).toJSON() as TemplateJson])),
  );
}
