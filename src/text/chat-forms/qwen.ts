/** Qwen's first generation: ChatML. qwen_generation_utils.py of Qwen/Qwen-7B-Chat, make_context. */
import { type ChatForm, type ChatPart, literal, splitSystem } from "./chat-form.ts";

const START: ChatPart = { kind: "token", token: "<|im_start|>" };
const END: ChatPart = { kind: "token", token: "<|im_end|>" };

export const qwenForm: ChatForm = {
  name: "Qwen",
  render(turns, addGenerationPrompt) {
    const { system, rest } = splitSystem(turns);
    const all = [{ role: "system", content: system ?? "You are a helpful assistant." }, ...rest];
    const messages = all.flatMap(({ role, content }) => [
      START,
      literal(`${role}\n${content}`),
      END,
      literal("\n"),
    ]);
    return addGenerationPrompt ? [...messages, START, literal("assistant\n")] : messages;
  },
  endTokens: ["<|im_end|>", "<|im_start|>"],
};
