/**
 * Baichuan 2 and Baichuan-13B-Chat: a reserved token opens each turn. generation_utils.py of
 * baichuan-inc/Baichuan2-7B-Chat, build_chat_input; the ids are generation_config.json's.
 */
import { type ChatForm, type ChatPart, literal, splitSystem, unknownRole } from "./chat-form.ts";

export const baichuanForm: ChatForm = {
  name: "Baichuan2",
  render(turns, addGenerationPrompt, family) {
    const user: ChatPart = { kind: "id", id: family.userTokenId ?? 195 };
    const assistant: ChatPart = { kind: "id", id: family.assistantTokenId ?? 196 };
    const { system, rest } = splitSystem(turns);
    const parts: ChatPart[] = system === null ? [] : [literal(system)];
    for (const { role, content } of rest) {
      if (role !== "user" && role !== "assistant")
        throw unknownRole("Baichuan2", role, ["system (first)", "user", "assistant"]);
      parts.push(role === "user" ? user : assistant, literal(content));
    }
    return addGenerationPrompt && rest.at(-1)?.role !== "assistant" ? [...parts, assistant] : parts;
  },
  endTokens: [],
};
