/** A module that cannot be loaded. */
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { task } from "../../src/hosts/task-result.ts";

export const double = task((n: number) => 2 * n);

throw new TroupeError("file_error", "broken at load");
