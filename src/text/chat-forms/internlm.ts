/**
 * InternLM's first generation (modeling_internlm.py of internlm/internlm-chat-7b, build_inputs): each round is a text of its
 * own that begins with `<s>`, beside the one that the tokenizer adds. InternLM 2 (modeling_internlm2.py): ChatML.
 */
import {
  type ChatForm,
  type ChatPart,
  type ChatTurn,
  literal,
  nothingButBoundaries,
  splitSystem,
  unknownRole,
} from "./chat-form.ts";

const ROUND: ChatPart = { kind: "token", token: "<s>" };
const START: ChatPart = { kind: "token", token: "<|im_start|>" };
const END: ChatPart = { kind: "token", token: "<|im_end|>" };

export const internLmForm: ChatForm = {
  name: "InternLM",
  render(turns, addGenerationPrompt) {
    const { system, rest } = splitSystem(turns);
    const parts: ChatPart[] = [nothingButBoundaries, ROUND];
    let text = system === null ? "" : `<|System|>:${system}\n`;
    for (const [index, { role, content }] of rest.entries()) {
      if (role === "assistant") text += `<|Bot|>:${content}<eoa>\n`;
      else if (role !== "user") throw unknownRole("InternLM", role, ["system (first)", "user", "assistant"]);
      else if (opensRound(rest, index)) {
        parts.push(literal(text), ROUND);
        text = userText(content);
      } else text += userText(content);
    }
    return [...parts, literal(addGenerationPrompt ? `${text}<|Bot|>:` : text)];
  },
  endTokens: ["<eoa>"],
};

function userText(content: string): string {
  return `<|User|>:${content}<eoh>\n`;
}

/** Answered rounds after the first begin with `<s>`; the open one goes on where the last one ended. */
function opensRound(turns: readonly ChatTurn[], index: number): boolean {
  return index > 0 && turns[index + 1]?.role === "assistant";
}

export const internLm2Form: ChatForm = {
  name: "InternLM2",
  render(turns, addGenerationPrompt) {
    const messages = turns.flatMap(({ role, content }) => [
      START,
      literal(`${role}\n${content}`),
      END,
      literal("\n"),
    ]);
    const opening = addGenerationPrompt ? [START, literal("assistant\n")] : [];
    return [nothingButBoundaries, ...messages, ...opening];
  },
  endTokens: ["<|im_end|>"],
};
