import { httpFunction } from '../lib/aws/http-function.ts';
import { answerVendorRequest } from '../lib/connections/answer-vendor-request.ts';
import { talk } from '../lib/vendors/talk/index.ts';

/** Every operation of Nextcloud Talk: `/v1/talk/{connection}/{operation}` and `/raw/{path}`. */
export const handler = httpFunction((request, principal, services) =>
  answerVendorRequest(services, talk, request, principal),
);
