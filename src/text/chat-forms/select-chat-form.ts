/** Which built-in prompt form a model without a chat template gets. docs/chat-templates.md is this table in words. */
import type { ModelFamily } from "../model-family.ts";
import type { TokenizerSettings } from "../tokenizer-settings.ts";
import { baichuanForm } from "./baichuan.ts";
import type { ChatForm } from "./chat-form.ts";
import { chatGlm2Form, chatGlm3Form, glm6bForm } from "./chatglm.ts";
import { internLm2Form, internLmForm } from "./internlm.ts";
import { qwenForm } from "./qwen.ts";
import { wizardCoderForm } from "./wizard-coder.ts";

const FORMS = new Map<string, ChatForm>([
  ["baichuan", baichuanForm],
  ["internlm", internLmForm],
  ["internlm2", internLm2Form],
  ["gpt_bigcode", wizardCoderForm],
  ["qwen", qwenForm],
]);
/** For folders whose config.json names no model_type. */
const MODEL_TYPES = new Map([
  ["BaichuanForCausalLM", "baichuan"],
  ["BaiChuanForCausalLM", "baichuan"],
  ["InternLMForCausalLM", "internlm"],
  ["InternLM2ForCausalLM", "internlm2"],
  ["GPTBigCodeForCausalLM", "gpt_bigcode"],
  ["QWenLMHeadModel", "qwen"],
  ["ChatGLMModel", "chatglm"],
  ["ChatGLMForConditionalGeneration", "chatglm"],
]);

/** Null for a family that has none. */
export function selectChatForm(family: ModelFamily, settings: TokenizerSettings): ChatForm | null {
  const byArchitecture = family.architectures
    .map((name) => MODEL_TYPES.get(name))
    .find((type) => type !== undefined);
  const type = family.modelType ?? byArchitecture;
  if (type === undefined) return null;
  if (type !== "chatglm") return FORMS.get(type) ?? null;
  // GLM-4's first release calls itself chatglm too, but has other tokens; it publishes a template.
  if (settings.tokenizerClass !== null && settings.tokenizerClass !== "ChatGLMTokenizer") return null;
  if (family.isGlm6b) return glm6bForm;
  return /chatglm2/i.test(family.origin) ? chatGlm2Form : chatGlm3Form;
}
