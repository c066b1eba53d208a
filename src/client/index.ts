/**
 * Clients of a Troupe server, for Node and for browsers: `MindsporeInferenceClient` with the methods of MindSpore
 * Serving's own, and `StreamClient` for the WebSocket protocol. Published as `troupe/client`.
 */
export { TroupeError } from "../errors/troupe-error.ts";
export {
  type MindsporeClientOptions,
  type MindsporeGenerateOptions,
  MindsporeInferenceClient,
  type MindsporeResponse,
} from "./mindspore-client.ts";
export type { MindsporeChunk } from "./mindspore-frames.ts";
export { StreamClient, type StreamClientOptions, type WholeAnswer } from "./stream-client.ts";
export type { DoneEvent, StreamEvent, StreamRequest, TokenEvent } from "./stream-messages.ts";
