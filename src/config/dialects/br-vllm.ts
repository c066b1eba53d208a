/** Configuration of br-vllm-serving: one flat JSON object whose keys are all required but `cached_dir`. */
import { parse, z } from "../../core/schema.ts";
import type { PrecisionName } from "../precision-names.ts";
import type { ConfigDialect, DialectSource } from "./config-dialect.ts";
import { invalidKey } from "./dialect-errors.ts";

/** Limits of the system that wrote the file; Troupe's own configuration has none of them. */
const MAX_BUILD_SEQ = 8192;
const MAX_BUILD_BATCH = 64;

const PRECISIONS = [
  "a_bf16_w_int8_kv_int8",
  "a_bf16_w_int8",
  "bf16",
] as const satisfies readonly PrecisionName[];

const name = z.string().min(1);
const onlyOne = (what: string) => z.literal(1, `must be 1: ${what}`);

function fileSchema() {
  return z.strictObject({
    model: name,
    cached_dir: name.optional(),
    input_name: z.string(),
    output_name: z.string(),
    vocab_size: z.int().min(1),
    model_file: z.string(),
    serialize_file: z.string(),
    model_precision: z.enum(PRECISIONS),
    build_seq: z
      .int()
      .min(2)
      .max(
        MAX_BUILD_SEQ,
        `must be at most ${MAX_BUILD_SEQ}, br-vllm-serving's longest context; engine.maxModelLen of a Troupe configuration may be longer`,
      ),
    build_batch: z
      .int()
      .min(1)
      .max(
        MAX_BUILD_BATCH,
        `must be at most ${MAX_BUILD_BATCH}, br-vllm-serving's largest batch; engine.maxNumSeqs of a Troupe configuration may be larger`,
      ),
    distribute_param: z.tuple([
      z.int().min(1).max(64),
      onlyOne("pipeline parallel ranks are not there; use tensor parallel ones, the first number"),
      onlyOne("set engine.dataParallel in a Troupe configuration, or --dp, for several engines"),
    ]),
    devices: z.array(z.int().min(0)).min(1),
    all_models: z.record(
      z.string().refine(isHttpUrl, "must be an address such as http://10.0.0.1:8000"),
      name,
    ),
  });
}

type BrVllmFile = z.infer<ReturnType<typeof fileSchema>>;

function isHttpUrl(text: string): boolean {
  return /^https?:\/\/[^/]+\/?$/.test(text);
}

/** @see ConfigDialect */
export const brVllm: ConfigDialect = {
  name: "br-vllm-serving",
  recognises: (file) => "model_precision" in file || ("build_seq" in file && "distribute_param" in file),
  translate(value, source) {
    const file = parse(fileSchema(), value, { code: "invalid_config", what: source.shownAs });
    checkDevices(file, source);
    checkOwnModel(file, source);
    return {
      sections: {
        model: {
          path: modelPath(file, source),
          servedNames: [file.model],
          precision: file.model_precision,
          ...(file.serialize_file !== "" && { cacheDir: file.serialize_file }),
        },
        engine: {
          maxModelLen: file.build_seq,
          maxAnswerTokens: Math.max(1, Math.floor(file.build_seq / 2)),
          maxNumSeqs: file.build_batch,
          maxNumBatchedTokens: Math.max(256, file.build_batch),
          tensorParallel: file.distribute_param[0],
        },
        server: { host: "0.0.0.0", peers: peersOf(file) },
      },
      noEffect: [
        "input_name",
        "output_name",
        "vocab_size",
        "devices",
        ...(file.cached_dir !== undefined ? ["model_file"] : []),
      ],
    };
  },
};

/** A traced model_file cannot run here; the folder that it was converted from can, and so can `troupe convert`'s. */
function modelPath(file: BrVllmFile, source: DialectSource): string {
  if (file.cached_dir !== undefined) return file.cached_dir;
  if (!file.model_file.endsWith(".pt") && file.model_file !== "") return file.model_file;
  throw invalidKey(
    source,
    "cached_dir",
    `is missing, and models are not downloaded: name the folder of ${file.model} with config.json and safetensors, or let model_file name a folder that \`troupe convert\` has written`,
  );
}

function checkDevices({ devices, distribute_param: [numRanks] }: BrVllmFile, source: DialectSource): void {
  if (devices.length !== numRanks)
    throw invalidKey(
      source,
      "devices",
      `names ${devices.length}, but distribute_param asks for ${numRanks} ranks`,
    );
  if (numRanks === 1 && devices[0] !== 0)
    throw invalidKey(
      source,
      "devices",
      `is [${devices[0]}]: br-vllm-serving runs a single-card model on card 0 only; write [0]`,
    );
}

function checkOwnModel({ model, all_models }: BrVllmFile, source: DialectSource): void {
  if (Object.values(all_models).includes(model)) return;
  throw invalidKey(
    source,
    "all_models",
    `has no service with the model "${model}", which this server serves`,
  );
}

/** The services of other models; this server's own model is never looked for elsewhere. */
function peersOf({
  model,
  all_models,
}: BrVllmFile): readonly { readonly url: string; readonly model: string }[] {
  return Object.entries(all_models)
    .filter(([, served]) => served !== model)
    .map(([url, served]) => ({ url: url.replace(/\/$/, ""), model: served }));
}
