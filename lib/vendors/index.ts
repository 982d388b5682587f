import type { EventCatalogue, VendorName } from '../core/vendor.ts';
import * as proptt2Events from './proptt2/events/index.ts';
import { proptt2 } from './proptt2/index.ts';
import * as talkEvents from './talk/events/index.ts';
import { talk } from './talk/index.ts';
import * as timetonicEvents from './timetonic/events/index.ts';
import { timetonic } from './timetonic/index.ts';

/** Every vendor that Trunkline supports. Start reading here: an operation is found through its vendor's index. */
export const vendors: EventCatalogue = {
  proptt2: { ...proptt2, ...proptt2Events },
  talk: { ...talk, ...talkEvents },
  timetonic: { ...timetonic, ...timetonicEvents },
};

/** The catalogue's keys, for code that needs only the names of the vendors. */
export const vendorNames: readonly VendorName[] = Object.keys(vendors);
