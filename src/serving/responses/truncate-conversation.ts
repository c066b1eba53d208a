/** `truncation: "auto"`: leaves out the oldest messages of a conversation that is too long for the context. */
import type { ChatMessage, Engine } from "../../protocol/engine.ts";

/** A conversation and the room for it. */
export interface Conversation {
  /** Stays first, whatever is left out. */
  readonly instructions: readonly ChatMessage[];
  /** Oldest first; the last one stays. */
  readonly messages: readonly ChatMessage[];
  /** Shown by the template. */
  readonly tools?: readonly object[];
  /** Tokens kept free for the answer. */
  readonly numAnswerTokens: number;
}

/** @returns the conversation with as few messages left out as possible; too long still when even the last one is. */
export async function truncateConversation(
  engine: Pick<Engine, "info" | "tokenize">,
  { instructions, messages, numAnswerTokens, tools }: Conversation,
): Promise<readonly ChatMessage[]> {
  const without = (numLeftOut: number): ChatMessage[] => [...instructions, ...messages.slice(numLeftOut)];
  const fits = async (numLeftOut: number): Promise<boolean> => {
    const { ids } = await engine.tokenize({
      kind: "chat",
      messages: without(numLeftOut),
      ...(tools !== undefined && { tools }),
    });
    return ids.length + numAnswerTokens <= engine.info.maxModelLen;
  };
  if (await fits(0)) return without(0);
  // The fewer messages, the fewer tokens: the least number is found by halving.
  let tooFew = 0;
  let enough = Math.max(0, messages.length - 1);
  while (enough - tooFew > 1) {
    const middle = (tooFew + enough) >> 1;
    if (await fits(middle)) enough = middle;
    else tooFew = middle;
  }
  return without(enough);
}
