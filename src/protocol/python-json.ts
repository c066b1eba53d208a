/** JSON as Python's json.dumps(ensure_ascii=False) writes it: clients of Python servers may compare bytes. */

/** A number that Python holds as a float: 0 is written 0.0. */
export class PythonFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/**
 * @param value plain data, {@link PythonFloat} among it; fields that are undefined are left out
 * @example
 * ```ts
 * toPythonJson({ event: "message", retry: 30000 }); // '{"event": "message", "retry": 30000}'
 * ```
 */
export function toPythonJson(value: unknown): string {
  if (value instanceof PythonFloat) return toFloat(value.value);
  if (Array.isArray(value)) return `[${value.map(toPythonJson).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value ?? null);
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}: ${toPythonJson(field)}`).join(", ")}}`;
}

/** Python's repr has an exponent of two digits or more, from 1e16 on and below 1e-4; JavaScript has other borders. */
function toFloat(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e16)) {
    return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  }
  const text = String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}
