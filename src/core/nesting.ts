/**
 * How deep values from outside may be nested. JSON.parse takes any depth; what comes after it (JSON.stringify, structured
 * clone between threads, templates) recurs, and a few kilobytes of brackets would end a thread with a full stack.
 */

/** Lists and objects in each other. */
export const MAX_NESTING = 128;

/** Whether a decoded value has more than `levels` lists and objects in each other. Bytes and numbers in buffers are not looked at. */
export function isNestedTooDeep(value: unknown, levels: number = MAX_NESTING): boolean {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return false;
  if (levels === 0) return true;
  const inner: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  return inner.some((each) => isNestedTooDeep(each, levels - 1));
}
