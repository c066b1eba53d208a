/** WizardCoder: Alpaca's instruction form, as its model card gives it (WizardLM/WizardCoder-15B-V1.0). */
import { type ChatForm, literal, splitSystem, unknownRole } from "./chat-form.ts";

const INTRODUCTION =
  "Below is an instruction that describes a task. Write a response that appropriately completes the request.";

export const wizardCoderForm: ChatForm = {
  name: "WizardCoder",
  render(turns, addGenerationPrompt) {
    const { system, rest } = splitSystem(turns);
    const sections = rest.map(({ role, content }) => {
      if (role === "user") return `### Instruction:\n${content}`;
      if (role === "assistant") return `### Response:${content}`;
      throw unknownRole("WizardCoder", role, ["system (first)", "user", "assistant"]);
    });
    const opening = addGenerationPrompt ? ["### Response:"] : [];
    return [literal([system ?? INTRODUCTION, ...sections, ...opening].join("\n\n"))];
  },
  endTokens: [],
};
