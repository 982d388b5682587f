/** For a call: the run continues when it fails, and ends as partial. */
export const continueOnError = { onError: 'continue' };
