/** Resolves once a condition holds. Without end: the deadline is the test's own, however slow the machine is. */
export async function until(holds: () => unknown): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}
