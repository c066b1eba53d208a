/** The typed events of the Responses API, as they go over the wire. */
import type { OutputItem, OutputText, WireResponse } from "./response-object.ts";

/** A token's log-probability inside an event: without the bytes, which only the finished text carries. */
export interface EventLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly top_logprobs: readonly { readonly token: string; readonly logprob: number }[];
}

/** Where a part of a message stands. */
export interface ItemPlace {
  readonly item_id: string;
  readonly output_index: number;
  readonly content_index: number;
}

/** An event without its number. */
export type ResponseEventBody =
  | {
      readonly type:
        | "response.created"
        | "response.in_progress"
        | "response.completed"
        | "response.incomplete"
        | "response.failed";
      readonly response: WireResponse;
    }
  | {
      readonly type: "response.output_item.added" | "response.output_item.done";
      readonly output_index: number;
      readonly item: OutputItem;
    }
  | {
      readonly type: "response.function_call_arguments.delta";
      readonly item_id: string;
      readonly output_index: number;
      readonly delta: string;
    }
  | {
      readonly type: "response.function_call_arguments.done";
      readonly item_id: string;
      readonly output_index: number;
      readonly arguments: string;
    }
  | (ItemPlace & {
      readonly type: "response.content_part.added" | "response.content_part.done";
      readonly part: OutputText;
    })
  | (ItemPlace & {
      readonly type: "response.output_text.delta";
      readonly delta: string;
      readonly logprobs: readonly EventLogprob[];
    })
  | (ItemPlace & {
      readonly type: "response.output_text.done";
      readonly text: string;
      readonly logprobs: readonly EventLogprob[];
    });

/** One event, numbered from 0. */
export type ResponseEvent = ResponseEventBody & { readonly sequence_number: number };
