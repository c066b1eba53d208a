/** Where `troupe export` reads and writes: by its own flags, or as MindFormers' export.py is told. */
import { dirname, resolve } from "node:path";
import { inferSection } from "../../config/dialects/infer-section.ts";
import { readYamlFile } from "../../config/yaml-file.ts";
import { parse, z } from "../../core/schema.ts";
import type { CliContext } from "../cli-context.ts";
import type { FlagValues } from "../flag-values.ts";
import { oneOf } from "./old-flags.ts";

const fileSchema = z.looseObject({
  load_checkpoint: z.string().min(1).optional(),
  infer: inferSection.optional(),
});

interface FromFile {
  readonly modelDir?: string;
  readonly outputDir?: string;
}

/**
 * Flags win over the file.
 *
 * @throws TroupeError `invalid_request` when neither names a folder, `invalid_config` or `file_error` for the file
 */
export function exportFolders(
  context: CliContext,
  flags: FlagValues,
): { readonly modelDir: string; readonly outputDir: string } {
  const file = flags.text("--config_path");
  const { modelDir, outputDir } = file === undefined ? {} : readFile(resolve(context.cwd, file), file);
  const given = (...spellings: string[]): string =>
    resolve(context.cwd, oneOf(flags, "export", ...spellings));
  const isNamed = flags.has("--model") || flags.has("--model_dir");
  return {
    modelDir: modelDir === undefined || isNamed ? given("--model", "--model_dir") : modelDir,
    outputDir: outputDir === undefined || flags.has("--output") ? given("--output") : outputDir,
  };
}

function readFile(path: string, shownAs: string): FromFile {
  const file = parse(fileSchema, readYamlFile(path, shownAs), { code: "invalid_config", what: shownAs });
  const graph = file.infer?.prefill_model_path ?? "";
  const here = (name: string): string => resolve(dirname(path), name);
  return {
    ...(file.load_checkpoint !== undefined && { modelDir: here(file.load_checkpoint) }),
    ...(graph !== "" && { outputDir: dirname(here(graph)) }),
  };
}
