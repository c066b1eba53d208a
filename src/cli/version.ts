/** The package's version, as package.json has it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../config/embedded-model.ts";

/** `0.1.0` */
export function readVersion(): string {
  const manifest = JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")) as {
    version: string;
  };
  return manifest.version;
}
