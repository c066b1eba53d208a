/** The items of an answer while it is written. */
import type { OutputCall, OutputItem, OutputMessage, OutputText } from "./response-object.ts";
import type { ChatTokenLogprob } from "./wire-logprobs.ts";

/** Text. */
export interface OpenMessage {
  readonly type: "message";
  readonly id: string;
  text: string;
  logprobs: readonly ChatTokenLogprob[] | null;
  status: OutputMessage["status"];
}

/** A call of a tool. */
export type OpenCall = { -readonly [Field in keyof OutputCall]: OutputCall[Field] };

/** An item in the making. */
export type OpenItem = OpenMessage | OpenCall;

/** As it stands. */
export function toOutputItem(item: OpenItem): OutputItem {
  return item.type === "message" ? toOutputMessage(item) : { ...item };
}

/** As it stands. */
export function toOutputMessage(message: OpenMessage): OutputMessage {
  const { id, type, status } = message;
  return { id, type, role: "assistant", status, content: [toPart(message)] };
}

/** The text of a message as it stands. */
export function toPart({ text, logprobs }: OpenMessage): OutputText {
  return {
    type: "output_text",
    text,
    annotations: [],
    ...(logprobs !== null && { logprobs: [...logprobs] }),
  };
}
