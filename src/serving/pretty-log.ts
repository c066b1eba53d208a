/** A JSON log line as one line for people: `12:00:00.000 INFO  message key=value`, errors with their stack below. */

const LEVELS = [
  { number: 60, name: "FATAL", color: "\u001b[35m" },
  { number: 50, name: "ERROR", color: "\u001b[31m" },
  { number: 40, name: "WARN ", color: "\u001b[33m" },
  { number: 30, name: "INFO ", color: "\u001b[32m" },
  { number: 20, name: "DEBUG", color: "\u001b[36m" },
  { number: 0, name: "TRACE", color: "\u001b[90m" },
] as const;
const RESET = "\u001b[0m";
const FAINT = "\u001b[2m";

/** @param line one JSON object with level, time (epoch ms) and msg. */
export function formatLogLine(line: string, useColor: boolean): string {
  const { level, time, msg, err, ...fields } = JSON.parse(line) as Readonly<Record<string, unknown>>;
  const { name, color } = LEVELS.find((entry) => Number(level) >= entry.number) ?? LEVELS[3];
  const clock = new Date(Number(time)).toISOString().slice(11, 23);
  const paint = (style: string, text: string): string =>
    useColor && text !== "" ? style + text + RESET : text;
  const pairs = Object.entries(fields).map(([key, value]) => `${key}=${show(value)}`);
  const parts = [paint(FAINT, clock), paint(color, name), String(msg ?? ""), paint(FAINT, pairs.join(" "))];
  return `${parts.join(" ").trimEnd()}${showError(err)}\n`;
}

function show(value: unknown): string {
  return typeof value === "string" && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}

function showError(error: unknown): string {
  if (typeof error !== "object" || error === null) return error === undefined ? "" : ` err=${show(error)}`;
  const { stack, message } = error as { readonly stack?: unknown; readonly message?: unknown };
  const text = typeof stack === "string" ? stack : String(message ?? JSON.stringify(error));
  return text
    .split("\n")
    .map((each) => `\n    ${each}`)
    .join("");
}
