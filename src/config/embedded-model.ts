/** Where the package's own model lies, in a checkout (src/config) as in the published form (dist/src/config). */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { invariant } from "../errors/troupe-error.ts";

/** The root folder of this package: the nearest one above that has a package.json. */
export function packageRoot(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  let folder = start;
  while (!existsSync(join(folder, "package.json"))) {
    const parent = dirname(folder);
    invariant(parent !== folder, `no package.json above ${start}`);
    folder = parent;
  }
  return folder;
}

/** The folder of the embedded model: what is served when no model is named. */
export function embeddedModelPath(): string {
  return join(packageRoot(), "models", "understudy");
}
