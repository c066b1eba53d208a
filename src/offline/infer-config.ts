/**
 * How a pipeline of MindSpore Lite's inference is configured, with its names and defaults, and what that comes to here.
 * Its graphs are ONNX files; a folder with a Hugging Face checkpoint in their place is a model of Troupe's own.
 */
import { existsSync } from "node:fs";
import { dirname, extname, resolve } from "node:path";
import type { TroupeConfig } from "../config/config.ts";
import { type PartialConfig, parseConfig } from "../config/load-config.ts";
import { parse, z } from "../core/schema.ts";
import { TroupeError } from "../errors/troupe-error.ts";

const name = z.string().min(1);

const schema = z.strictObject({
  prefillModelPath: name,
  incrementModelPath: z.string().default(""),
  modelType: z.enum(["mindir", "mindir_lite", "onnx"]).default("mindir"),
  modelName: name.default("common"),
  inferSeqLength: z.int().min(2).default(1024),
  target: z.enum(["Ascend", "CPU"]).default("Ascend"),
  deviceId: z.int().min(0).default(0),
  rankId: z.int().min(0).default(0),
  geConfigPath: z.string().default(""),
  dynamic: z.boolean().default(false),
});

/** What may be said; every field but the first may be left out. */
export type InferConfigFields = z.input<typeof schema>;

/** Options that name something of the Ascend platform: graphs run on this machine's processors. */
const NO_EFFECT = ["modelType", "target", "deviceId", "rankId", "geConfigPath"] as const;

/**
 * @example
 * ```ts
 * const config = new InferConfig({ prefillModelPath: "graphs/prefill.onnx", incrementModelPath: "graphs/decode.onnx", inferSeqLength: 512 });
 * ```
 */
export class InferConfig {
  readonly fields: z.infer<typeof schema>;
  /** Options that were given and do nothing here. */
  readonly noEffect: readonly string[];

  /** @throws TroupeError `invalid_config` for an unknown option, a wrong type, or a file that is not there */
  constructor(fields: InferConfigFields) {
    this.fields = parse(schema, fields, { code: "invalid_config", what: "InferConfig" });
    this.noEffect = NO_EFFECT.filter((option) => fields[option] !== undefined);
    for (const path of [this.fields.prefillModelPath, this.fields.incrementModelPath])
      if (path !== "") checkFile(path);
  }

  /**
   * What an engine for it is configured with.
   *
   * @param tokenizer folder of the tokenizer's files; absent, that of the model
   */
  toTroupeConfig(tokenizer?: string): TroupeConfig {
    const { prefillModelPath, incrementModelPath, modelName, inferSeqLength, dynamic } = this.fields;
    const sections: PartialConfig =
      extname(prefillModelPath) === ".onnx"
        ? {
            model: { path: resolve(tokenizer ?? dirname(prefillModelPath)), servedNames: [modelName] },
            graphs: {
              prefill: [resolve(prefillModelPath)],
              decode: incrementModelPath === "" ? [] : [resolve(incrementModelPath)],
              seqLengths: dynamic ? [] : [inferSeqLength],
              basicInputs: modelName,
            },
          }
        : { model: { path: resolve(prefillModelPath), servedNames: [modelName] } };
    return parseConfig({ ...sections, engine: { maxModelLen: inferSeqLength }, log: { level: "warn" } });
  }
}

/** @throws TroupeError `file_error`, or `unsupported_model` for what only MindSpore reads */
function checkFile(path: string): void {
  if (/\.(mindir|ckpt|ms)$/.test(path)) {
    const text = `${path} is a file of MindSpore that only its own runtime reads; export the graph to ONNX, or name the folder of the Hugging Face checkpoint.`;
    throw new TroupeError("unsupported_model", text, { details: { path } });
  }
  if (!existsSync(path))
    throw new TroupeError("file_error", `The model ${path} does not exist.`, { details: { path } });
}
