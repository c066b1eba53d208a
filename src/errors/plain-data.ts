/** Copies any value to plain data that structured clone accepts: what cannot be cloned is replaced by its description. */

const MAX_DEPTH = 6;
const MAX_ENTRIES = 64;
const MAX_TEXT = 64 * 1024;

/**
 * Numbers, strings, arrays and objects are copied (up to 6 deep, 64 entries each, 64 Ki characters), getters that throw
 * are skipped, functions, symbols and everything with a class of its own become text. Never throws.
 *
 * @example
 * ```ts
 * toPlainData({ limit: 8, check: () => true }); // { limit: 8, check: "[function check]" }
 * ```
 */
export function toPlainData(value: unknown): unknown {
  return copy(value, MAX_DEPTH);
}

function copy(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case "string":
      return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}...` : value;
    case "function":
      return `[function ${describe(() => value.name)}]`;
    case "symbol":
      return describe(() => value.toString());
    case "object":
      return value === null ? null : copyObject(value, depth);
    default:
      return value;
  }
}

function copyObject(value: object, depth: number): unknown {
  try {
    if (value instanceof Error) return `${value.name}: ${value.message}`;
    if (value instanceof Date) return new Date(value.getTime());
    if (value instanceof URL || value instanceof RegExp) return String(value);
    if (depth === 0) return describe(() => Object.prototype.toString.call(value));
    if (Array.isArray(value)) return value.slice(0, MAX_ENTRIES).map((entry) => copy(entry, depth - 1));
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
      return `[${Object.prototype.toString.call(value).slice(8, -1)} of ${value.byteLength} bytes]`;
    }
    if (value instanceof Map) return copyObject(Object.fromEntries(value), depth);
    if (value instanceof Set) return copy([...value], depth);
    return copyFields(value, depth);
  } catch {
    return "[unreadable]";
  }
}

function copyFields(value: object, depth: number): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const key of Object.keys(value).slice(0, MAX_ENTRIES)) {
    if (key === "__proto__") continue;
    try {
      fields[key] = copy((value as Record<string, unknown>)[key], depth - 1);
    } catch {
      // A getter that throws has nothing worth carrying.
    }
  }
  return fields;
}

function describe(read: () => unknown): string {
  try {
    return String(read());
  } catch {
    return "unreadable";
  }
}
