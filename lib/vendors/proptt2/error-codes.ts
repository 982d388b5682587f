import { declareCodes } from '../../core/errors.ts';

/** The codes of ProPTT2 in addition to those of every vendor. */
export const errorCodes = declareCodes({
  auth_ambiguous: {
    status: 502,
    retryable: true,
    meaning: "the vendor's answer to the login was lost; the next call logs in again",
  },
});
