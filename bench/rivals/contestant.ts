/** What is measured: an engine in a process of its own that turns prompts into streams of tokens. */
import type { LlamaShape } from "../random-checkpoint.ts";
import type { OpenStream } from "../streams.ts";

/** What a contestant is made for. */
export interface ContestantOptions {
  /** Weights as the contestant calls them: w4, Q8_0, q4. */
  readonly precision: string;
  readonly shape: LlamaShape;
  readonly maxStreams: number;
  /** Longest prompt plus answer. */
  readonly maxContext: number;
  readonly numThreads: number;
  /** For those who have it. */
  readonly flashAttention: boolean;
}

/** Loaded, and ready for the first prompt. */
export interface Contestant {
  readonly open: OpenStream;
  close(): Promise<void>;
}

/** What each module of a contestant exports as `contestant`. */
export interface ContestantModule {
  /** Writes the model's files where they are missing. */
  prepare(options: ContestantOptions): Promise<void>;
  /** From files on disk to the first prompt. */
  load(options: ContestantOptions): Promise<Contestant>;
}

/** What the measuring process asks of a contestant's process. */
export type Task =
  | { readonly kind: "prepare" }
  | { readonly kind: "load" }
  | { readonly kind: "decode"; readonly numStreams: number; readonly contextLen: number }
  /** A prompt while other streams decode. */
  | { readonly kind: "firstToken"; readonly numStreams: number; readonly promptLen: number }
  | { readonly kind: "memory" }
  | { readonly kind: "close" };

/** Seconds, tokens a second, milliseconds or megabytes, by the kind of task; or why there is none. */
export type Answer = { readonly value: number } | { readonly error: string };
