/** The model families Troupe knows. A new one is a file beside this one and a line here. */
import { nearestName } from "../../core/nearest-name.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { DecoderDescription } from "../decoder-description.ts";
import type { ModelFolder } from "../model-folder.ts";
import type { Architecture } from "./architecture.ts";
import { baichuan } from "./baichuan.ts";
import { bloom } from "./bloom.ts";
import { chatglm } from "./chatglm.ts";
import { gemma2, gemma3 } from "./gemma.ts";
import { glm } from "./glm.ts";
import { gptBigcode } from "./gpt-bigcode.ts";
import { internlm } from "./internlm.ts";
import { internlm2 } from "./internlm2.ts";
import { llama } from "./llama.ts";
import { mistral } from "./mistral.ts";
import { mixtral } from "./mixtral.ts";
import { phi3 } from "./phi3.ts";
import { qwen2Moe, qwen3Moe } from "./qwen-moe.ts";
import { qwen2 } from "./qwen2.ts";
import { qwen3 } from "./qwen3.ts";
import { starcoder2 } from "./starcoder2.ts";

/** Every supported family. */
export const ARCHITECTURES: readonly Architecture[] = [
  baichuan,
  bloom,
  chatglm,
  gemma2,
  gemma3,
  glm,
  gptBigcode,
  internlm,
  internlm2,
  llama,
  mistral,
  mixtral,
  phi3,
  qwen2,
  qwen2Moe,
  qwen3,
  qwen3Moe,
  starcoder2,
];

/**
 * Describes the model of a folder.
 *
 * @throws TroupeError `unsupported_model` when no family answers to its name; see also {@link Architecture.describe}.
 */
export function describeModel(
  folder: ModelFolder,
  architectures: readonly Architecture[] = ARCHITECTURES,
): DecoderDescription {
  const architecture = architectures.find(({ names }) => names.includes(folder.architecture));
  if (architecture !== undefined) return architecture.describe(folder);
  const supported = architectures.flatMap(({ names }) => names);
  const near = nearestName(folder.architecture, supported);
  const hint = near === undefined ? "" : ` The nearest is ${near}.`;
  throw new TroupeError(
    "unsupported_model",
    `${folder.dir}: the architecture ${folder.architecture} is not supported.${hint} Supported: ${supported.join(", ")}`,
    { details: { architecture: folder.architecture, supported } },
  );
}
