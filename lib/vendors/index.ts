import type { Catalogue } from '../core/vendor.ts';
import { proptt2 } from './proptt2/index.ts';
import { talk } from './talk/index.ts';
import { timetonic } from './timetonic/index.ts';

/** Every vendor that Trunkline speaks to. Read this first: an operation is found by following its vendor's index. */
export const vendors: Catalogue = { proptt2, talk, timetonic };
