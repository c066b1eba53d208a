/** `npm run docs`: writes the reference pages that follow from code and data. A test fails when they are out of date. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PROGRAM } from "../src/cli/run-cli.ts";
import { ERROR_CODES } from "../src/errors/error-codes.ts";
import { configReference } from "./config-reference.ts";
import { commandLinePage, configurationPage, errorsPage } from "./reference-docs.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Path in the repository to content. */
export function referencePages(): Record<string, string> {
  const keys = configReference(readFileSync(join(root, "configs", "understudy.yaml"), "utf8"));
  return {
    "docs/cli.md": commandLinePage(PROGRAM),
    "docs/configuration.md": configurationPage(keys),
    "docs/errors.md": errorsPage(ERROR_CODES),
  };
}

if (import.meta.main) {
  for (const [path, text] of Object.entries(referencePages())) writeFileSync(join(root, path), text);
}
