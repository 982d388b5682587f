import { openHttpFunction } from '../lib/aws/http-function.ts';
import { answerSite } from '../lib/gateway/site.ts';

/** `/openapi.json`, `/docs` and `/health`. */
export const handler = openHttpFunction(answerSite);
