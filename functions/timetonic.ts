import { httpFunction } from '../lib/aws/http-function.ts';
import { answerVendorRequest } from '../lib/connections/answer-vendor-request.ts';
import { timetonic } from '../lib/vendors/timetonic/index.ts';

/** Every operation of TimeTonic: `/v1/timetonic/{connection}/{operation}` and `/raw/{path}`. */
export const handler = httpFunction((request, principal, services) =>
  answerVendorRequest(services, timetonic, request, principal),
);
