/**
 * W3C trace context: one trace id for all that one request leads to, one span id for each message.
 *
 *     00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *        trace id                         span id          flags
 */

const PATTERN = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const SPAN_START = 36;
const SPAN_END = 52;

/** Whether `text` is a version 00 traceparent as https://www.w3.org/TR/trace-context/ has it. */
export function isTraceparent(text: string): boolean {
  return PATTERN.test(text);
}

/** The traceparent of a message sent under `parent`, or of the first message of a new, sampled trace. */
export function childSpan(parent: string | null, random: () => number): string {
  if (parent === null) return `00-${hex(32, random)}-${hex(16, random)}-01`;
  return parent.slice(0, SPAN_START) + hex(16, random) + parent.slice(SPAN_END);
}

/** Never all zeros, which would be no id. */
function hex(numDigits: number, random: () => number): string {
  let digits = "";
  while (digits.length < numDigits) {
    digits += Math.floor(random() * 0xffff_ffff)
      .toString(16)
      .padStart(8, "0");
  }
  return /[^0]/.test(digits) ? digits : digits.replace(/0$/, "1");
}
