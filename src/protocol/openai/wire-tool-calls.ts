/** Tool calls as the OpenAI chat API spells them, whole and in pieces. */
import type { FinishReason } from "../../scheduling/step-plan.ts";
import type { ToolCall, ToolEvent } from "../tools/tool-events.ts";
import { toFinishReason } from "./responder.ts";

/** @param responseId of the whole response, @param answer number of the choice, @param index of the call in it */
export function toCallId(responseId: string, answer: number, index: number): string {
  return `call_${responseId.replace(/^chatcmpl-/, "")}_${answer}_${index}`;
}

/** An entry of `message.tool_calls`. */
export function toWireCall(call: ToolCall, id: string): object {
  return { id, type: "function", function: { name: call.name, arguments: call.arguments } };
}

/** A `delta` of a chunk: a call opens with its name, its arguments follow in pieces. */
export function toToolDelta(event: ToolEvent, id: string): object {
  if (event.kind === "text") return { content: event.text };
  const { index } = event;
  if (event.kind === "arguments") return { tool_calls: [{ index, function: { arguments: event.text } }] };
  return { tool_calls: [{ index, id, type: "function", function: { name: event.name, arguments: "" } }] };
}

/** An answer that ended by itself with calls in it waits for their results. */
export function finishReasonOf(reason: FinishReason, numCalls: number): string {
  return reason === "stop" && numCalls > 0 ? "tool_calls" : toFinishReason(reason);
}
