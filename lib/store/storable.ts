/** DynamoDB nests 32 levels; some of them are the item's own. */
const maxDepth = 25;

/** Whether a JSON value can lie in an item as it is: DynamoDB and its marshalling take less than JSON does. */
export function isStorable(value: unknown, depth = 0): boolean {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed();
    case 'number':
      return isStorableNumber(value);
    case 'object':
      break;
    default:
      return typeof value === 'boolean' || value === undefined;
  }
  if (value === null) return true;
  if (depth >= maxDepth) return false;
  if (Array.isArray(value)) return value.every((item) => item !== undefined && isStorable(item, depth + 1));
  return Object.entries(value).every(([key, member]) => isStorableKey(key) && isStorable(member, depth + 1));
}

function isStorableNumber(value: number): boolean {
  if (Number.isInteger(value)) return Number.isSafeInteger(value) && !Object.is(value, -0);
  return Number.isFinite(value) && Math.abs(value) > 1e-100;
}

/** Marshalling asks a value for its `constructor`, and would believe what a stranger's JSON says there. */
function isStorableKey(key: string): boolean {
  return key !== '' && key !== 'constructor' && key !== '__proto__' && key.isWellFormed();
}
