import { httpFunction } from '../lib/aws/http-function.ts';
import { answerVendorRequest } from '../lib/connections/answer-vendor-request.ts';
import { proptt2 } from '../lib/vendors/proptt2/index.ts';

/** Every operation of ProPTT2: `/v1/proptt2/{connection}/{operation}` and `/raw/{path}`. */
export const handler = httpFunction((request, principal, services) =>
  answerVendorRequest(services, proptt2, request, principal),
);
