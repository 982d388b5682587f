import { services } from '../../lib/aws/services.ts';
import { startProduct } from '../../local/product.ts';

/** The whole product in a separate process. Each of its durable executions may have `MAX_OPERATIONS` operations. */
const { TRUNKLINE_DATA = '', TRUNKLINE_ADMIN_KEY = '', PORT, MAX_OPERATIONS } = process.env;

const product = await startProduct({
  directory: TRUNKLINE_DATA,
  port: Number(PORT),
  adminKey: TRUNKLINE_ADMIN_KEY,
  sandbox: true,
  // Executions of an earlier process continue while this one starts.
  wrapInvocation: (_functionName, run) => {
    Object.assign(services(), { maxOperations: Number(MAX_OPERATIONS) });
    return run();
  },
});
process.stdout.write(`ready ${product.url}\n`);
