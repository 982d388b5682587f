import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

/** The templates of an app. */
export function templatesOf(app: App): Templates {
  const stacks = app.node.children.filter(Stack.isStack);
  return new Templates(
    new Map(stacks.map((stack) => [stack.stackName, Template.fromStack(stack).toJSON() as TemplateJson])),
  );
}
