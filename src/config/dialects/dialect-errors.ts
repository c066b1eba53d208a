/** Errors of files whose values are of the right type, but cannot be served. */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { DialectSource } from "./config-dialect.ts";

/** @param what completes the sentence that begins with the key, without a full stop */
export function invalidKey({ shownAs }: DialectSource, key: string, what: string): TroupeError {
  return new TroupeError("invalid_config", `${shownAs}: "${key}": ${what}.`, { details: { path: key } });
}
