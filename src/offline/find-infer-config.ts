/** Where `pipeline()` finds a model: by a known name, by its files, or in a folder. */
import { existsSync, globSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { inferSection } from "../config/dialects/infer-section.ts";
import { readYamlFile } from "../config/yaml-file.ts";
import { parse, z } from "../core/schema.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import { InferConfig, type InferConfigFields } from "./infer-config.ts";

/** Options of a call that win over what a file says. */
export type InferOverrides = Partial<InferConfigFields>;

const schema = z.looseObject({
  infer: inferSection,
  trainer: z.looseObject({ model_name: z.string().optional() }).optional(),
});

/**
 * @param model a name, a file, a pair of files, or a folder
 * @param configDir where the files of known names lie, as MODEL/run_NAME.yaml
 * @throws TroupeError `invalid_config`, `file_error`
 */
export function findInferConfig(
  model: string | readonly [prefill: string, increment: string],
  overrides: InferOverrides,
  configDir: string,
): InferConfig {
  if (typeof model !== "string")
    return new InferConfig({ ...overrides, prefillModelPath: model[0], incrementModelPath: model[1] });
  const isPath = existsSync(model) || /[\\/]|\.onnx$/.test(model);
  if (!isPath) return byName(model, overrides, configDir);
  if (!existsSync(model) || !statSync(model).isDirectory())
    return new InferConfig({ ...overrides, prefillModelPath: model });
  return inFolder(model, overrides);
}

/** As `run_bloom_560m.yaml` with a section `infer`, in any folder below the one for configurations. */
function byName(name: string, overrides: InferOverrides, configDir: string): InferConfig {
  const files = globSync("**/run_*.yaml", { cwd: configDir });
  const file = files.find((path) => basename(path) === `run_${name}.yaml`);
  if (file !== undefined) return readInferFile(join(configDir, file), overrides);
  const known = files.map((path) => basename(path, ".yaml").slice("run_".length)).toSorted();
  const names =
    known.length === 0 ? `none, because there is no run_NAME.yaml in ${configDir}` : known.join(", ");
  throw new TroupeError(
    "invalid_config",
    `The model "${name}" is neither a file or folder nor a known name. Known names: ${names}.`,
    { details: { model: name } },
  );
}

/** One YAML file with a section `infer` and one or two graphs; or a checkpoint as Hugging Face lays it out. */
function inFolder(folder: string, overrides: InferOverrides): InferConfig {
  const files = readdirSync(folder);
  const graphs = files.filter((file) => file.endsWith(".onnx")).toSorted();
  const yamls = files.filter((file) => /\.ya?ml$/.test(file));
  if (graphs.length === 0 && files.includes("config.json"))
    return new InferConfig({ ...overrides, prefillModelPath: folder });
  if (yamls.length !== 1 || graphs.length < 1 || graphs.length > 2) {
    const found = `${yamls.length} YAML and ${graphs.length} ONNX files`;
    const text = `${folder} has ${found}; it must have exactly one YAML file, and one or two graphs, the one for whole prompts with "prefill" in its name.`;
    throw new TroupeError("invalid_config", text, { details: { folder } });
  }
  const prefill = graphs.find((file) => file.includes("prefill")) ?? graphs[0]!;
  const increment = graphs.find((file) => file !== prefill);
  return readInferFile(join(folder, yamls[0]!), {
    ...overrides,
    prefillModelPath: join(folder, prefill),
    incrementModelPath: increment === undefined ? "" : join(folder, increment),
  });
}

/** Reads a file's section `infer`; relative paths in it count from the file. */
export function readInferFile(path: string, overrides: InferOverrides): InferConfig {
  const { infer, trainer } = parse(schema, readYamlFile(path), { code: "invalid_config", what: path });
  const here = (file: string): string => (file === "" ? "" : resolve(dirname(path), file));
  const fields = {
    prefillModelPath: here(infer.prefill_model_path),
    incrementModelPath: here(infer.increment_model_path),
    inferSeqLength: infer.infer_seq_length,
    modelType: infer.model_type,
    modelName: infer.model_name ?? trainer?.model_name,
    target: infer.target,
    deviceId: infer.device_id,
    rankId: infer.rank_id,
    geConfigPath: infer.ge_config_path,
    dynamic: infer.dynamic,
  };
  const given = { ...withoutUndefined(fields), ...withoutUndefined(overrides) };
  // Words that are none of the choices are refused there, by name.
  return new InferConfig(given as InferConfigFields);
}

function withoutUndefined(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
