/** How everything that compiles a grammar says no. */
import { TroupeError } from "../../errors/troupe-error.ts";

/**
 * @param param the request's field, with a path into it
 * @throws TroupeError `invalid_request`, always
 */
export function refuseGrammar(param: string, problem: string): never {
  throw new TroupeError("invalid_request", `"${param}": ${problem}`, { details: { param } });
}
