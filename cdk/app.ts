import { App } from 'aws-cdk-lib';
import { functions } from '../functions/declarations.ts';
import { bundle } from './bundle.ts';
import { trunkline } from './trunkline.ts';

const bundles = await bundle(functions.map(({ name }) => name));
trunkline(new App(), functions, (name) => bundles.get(name)?.folder);
