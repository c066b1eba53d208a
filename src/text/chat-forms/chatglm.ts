/**
 * ChatGLM 3 (tokenization_chatglm.py of THUDM/chatglm3-6b, build_chat_input): a token for each role, a line break, the
 * content, each encoded on its own. ChatGLM 2 (modeling_chatglm.py of THUDM/chatglm2-6b, build_prompt): numbered rounds.
 * The first ChatGLM (modeling_chatglm.py of THUDM/chatglm-6b, chat): rounds numbered from 0, a first question as it is.
 */
import { type ChatForm, type ChatPart, literal, splitSystem, unknownRole } from "./chat-form.ts";

const PREFIX: readonly ChatPart[] = [
  { kind: "token", token: "[gMASK]" },
  { kind: "token", token: "sop" },
];
/** The OpenAI API calls "tool" what ChatGLM calls "observation". */
const ROLES = new Map([
  ["system", "system"],
  ["user", "user"],
  ["assistant", "assistant"],
  ["observation", "observation"],
  ["tool", "observation"],
]);

export const chatGlm3Form: ChatForm = {
  name: "ChatGLM3",
  render(turns, addGenerationPrompt) {
    const messages = turns.flatMap(({ role, content }): ChatPart[] => {
      const name = ROLES.get(role);
      if (name === undefined) throw unknownRole("ChatGLM3", role, [...ROLES.keys()]);
      return [{ kind: "token", token: `<|${name}|>` }, literal("\n"), literal(content)];
    });
    const opening: ChatPart[] = addGenerationPrompt ? [{ kind: "token", token: "<|assistant|>" }] : [];
    return [...PREFIX, ...messages, ...opening];
  },
  // modeling_chatglm.py, chat: the next role's token ends an answer.
  endTokens: ["<|user|>", "<|observation|>"],
};

export const chatGlm2Form: ChatForm = {
  name: "ChatGLM2",
  render(turns, addGenerationPrompt) {
    const { system, rest } = splitSystem(turns);
    let text = system === null ? "" : `${system}\n\n`;
    let round = 0;
    for (const { role, content } of rest) {
      if (role === "user") text += `[Round ${++round}]\n\n问：${content}\n\n`;
      else if (role === "assistant") text += `答：${content}\n\n`;
      else throw unknownRole("ChatGLM2", role, ["system (first)", "user", "assistant"]);
    }
    return [...PREFIX, literal(addGenerationPrompt ? `${text}答：` : text)];
  },
  endTokens: [],
};

export const glm6bForm: ChatForm = {
  name: "ChatGLM",
  render(turns, addGenerationPrompt) {
    const { system, rest } = splitSystem(turns);
    const isFirst = rest.length === 1 && rest[0]?.role === "user";
    let text = system === null ? "" : `${system}\n`;
    let round = 0;
    for (const { role, content } of rest) {
      if (role === "user") text += isFirst ? content : `[Round ${round++}]\n问：${content}\n`;
      else if (role === "assistant") text += `答：${content}\n`;
      else throw unknownRole("ChatGLM", role, ["system (first)", "user", "assistant"]);
    }
    const opening = addGenerationPrompt && !isFirst ? "答：" : "";
    return [{ kind: "text", text: `${text}${opening}`, isLiteral: true, addSpecialTokens: true }];
  },
  endTokens: ["<eop>"],
};
