/** Loads a servable: the user's module, checked, and its models. */
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { CPU, parseDevice } from "../config/device.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import { type MethodPlan, planMethods } from "../servables/method-plan.ts";
import { ModelBatch } from "../servables/model-batch.ts";
import { readDefinition } from "../servables/read-definition.ts";
import type { ServableDefinition } from "../servables/servable-definition.ts";
import type { ServableInfo } from "../servables/servable-info.ts";
import { requireDevice } from "./require-device.ts";
import { type LoadedModel, loadServableModel } from "./servable-model.ts";

/** How its models run. */
export interface LoadOptions {
  /** 0 takes the newest. */
  readonly version: number;
  readonly threads: number;
  /** By name. */
  readonly device: string;
}

/** A servable that can answer. */
export interface LoadedServable {
  readonly info: ServableInfo;
  readonly methods: readonly MethodPlan[];
  readonly models: ReadonlyMap<string, ModelBatch>;
  /** To be released in the end. */
  readonly loaded: readonly LoadedModel[];
}

/**
 * @param module URL of the module
 * @throws TroupeError `invalid_config` for a definition that does not hold together or a device that is not there,
 * `invalid_model`, `file_error`
 */
export async function loadServable(module: string, options: LoadOptions): Promise<LoadedServable> {
  const definition = readDefinition(await importDefault(module), module);
  const methods = planMethods(definition);
  const { version, folder } = await chooseVersion(definition, module, options.version);
  const device = parseDevice(options.device) ?? CPU;
  if (device.kind !== "cpu") requireDevice(options.device);
  const { threads } = options;
  const loaded: LoadedModel[] = [];
  const models = new Map<string, ModelBatch>();
  try {
    for (const [name, declaration] of Object.entries(definition.models ?? {})) {
      const path = fileURLToPath(new URL(declaration.file, folder));
      const model = loadServableModel(path, { name, threads, device });
      loaded.push(model);
      models.set(name, new ModelBatch(name, model, declaration));
    }
    for (const method of methods) checkStages(method, models);
  } catch (error) {
    for (const model of loaded) model.release();
    throw error;
  }
  return { info: describe(definition, version, methods, models), methods, models, loaded };
}

async function importDefault(module: string): Promise<unknown> {
  let exports: { readonly default?: unknown };
  try {
    exports = (await import(module)) as { readonly default?: unknown };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TroupeError("invalid_config", `${module} cannot be loaded: ${reason}`, { cause });
  }
  if (exports.default !== undefined) return exports.default;
  const text = `${module} has no default export; write: export default defineServable({ ... }).`;
  throw new TroupeError("invalid_config", text);
}

/** Where the models' files are, as a base for their URLs. */
async function chooseVersion(
  { name, version: own }: ServableDefinition,
  module: string,
  wanted: number,
): Promise<{ readonly version: number; readonly folder: URL }> {
  const home = new URL(".", module);
  if (own !== undefined) {
    if (wanted === 0 || wanted === own) return { version: own, folder: home };
    const text = `Servable ${name} has version ${own}; version ${wanted} was asked for.`;
    throw new TroupeError("invalid_config", text);
  }
  const versions = await numberedFolders(home);
  const version = wanted === 0 ? versions.at(-1) : versions.find((number) => number === wanted);
  if (version !== undefined) return { version, folder: new URL(`${version}/`, home) };
  const there = versions.length > 0 ? `there are ${versions.join(", ")}` : "there is none";
  const text = `Servable ${name}: no version ${wanted || "folder"} beside ${module} (${there}). Versions are folders named 1, 2, ...; or give the servable a version.`;
  throw new TroupeError("invalid_config", text);
}

async function numberedFolders(folder: URL): Promise<number[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
    return names
      .filter((name) => /^[1-9]\d{0,9}$/.test(name))
      .map(Number)
      .sort((a, b) => a - b);
  } catch (cause) {
    throw new TroupeError("file_error", `Versions of a servable: ${(cause as Error).message}.`, { cause });
  }
}

/** A model stage names as many values as the model has. */
function checkStages(method: MethodPlan, models: ReadonlyMap<string, ModelBatch>): void {
  for (const { work, index, inputSlots, outputSlots } of method.stages) {
    if (work.kind === "function") continue;
    const { inputs, outputs } = models.get(work.model)!.model;
    const where = `Method ${method.name}, stage ${index + 1}: model ${work.model}`;
    if (inputs.length !== inputSlots.length) {
      const names = inputs.map(({ name }) => name).join(", ");
      const text = `${where} has ${inputs.length} inputs (${names}), the stage names ${inputSlots.length}.`;
      throw new TroupeError("invalid_config", text);
    }
    if (outputs.length !== outputSlots.length) {
      const names = outputs.map(({ name }) => name).join(", ");
      const text = `${where} has ${outputs.length} outputs (${names}), the stage names ${outputSlots.length}.`;
      throw new TroupeError("invalid_config", text);
    }
  }
}

function describe(
  { name }: ServableDefinition,
  version: number,
  methods: readonly MethodPlan[],
  models: ReadonlyMap<string, ModelBatch>,
): ServableInfo {
  const modelInfos = [...models].map(([model, batch]) => {
    const { inputs, outputs } = batch.model;
    return { name: model, batchSize: batch.size, inputs, outputs };
  });
  return {
    name,
    version,
    methods: methods.map(({ name: method, inputs, outputs }) => ({ name: method, inputs, outputs })),
    models: modelInfos,
    batchSize: Math.max(1, ...modelInfos.map(({ batchSize }) => batchSize)),
  };
}
