/**
 * Streams of MindSpore Serving's routes in every form that servers have sent them: Troupe's events, lines of release 2.1,
 * its events inside events, and the development branch's lines of JSON without "data:".
 */
import { asObject, parseObject, toServerError } from "./server-error.ts";

/** A piece of an answer. */
export interface MindsporeChunk {
  /** The next piece of text; absent in the last chunk of a stream with the full text. */
  readonly token?: { readonly text: string };
  /** The whole answer, once, at the end, unless `returnFullText` is false. */
  readonly generatedText?: string;
}

/**
 * @param lines of the body, without their line ends
 * @param hasFullText whether the request asked for the whole text at the end: in one form only its place tells it apart
 * @throws TroupeError for an error event
 */
export async function* readMindsporeFrames(
  lines: AsyncIterable<string>,
  hasFullText: boolean,
): AsyncGenerator<MindsporeChunk> {
  // Events inside events carry bare texts, so each waits until the next one shows that it was not the last.
  let held: string | null = null;
  for await (const line of lines) {
    const frame = parseObject(line.replace(/^data:\s?/, ""));
    if (frame === null) continue;
    const bare = frame.event === "message" ? frame.data : undefined;
    if (typeof bare === "string") {
      if (held !== null) yield { token: { text: held } };
      held = bare;
      continue;
    }
    yield* readFrame(Array.isArray(bare) ? (asObject(bare[0]) ?? {}) : frame);
  }
  if (held !== null) yield hasFullText ? { generatedText: held } : { token: { text: held } };
}

function* readFrame(frame: Readonly<Record<string, unknown>>): Generator<MindsporeChunk> {
  const { token, tokens, generated_text: text, error } = frame;
  const failure = asObject(error);
  if (failure !== null) throw toServerError(failure.code, failure.message);
  if (typeof error === "string") throw toServerError(frame.error_type, error);
  const piece = asObject(token)?.text;
  if (typeof piece === "string") yield { token: { text: piece } };
  // The development branch: a step has one object of its token, the whole answer a list of all.
  else if (asObject(tokens) !== null && typeof text === "string") yield { token: { text } };
  else if (typeof text === "string") yield { generatedText: text };
}

/** Lines of a body as they come. Leaving the loop cancels the body. */
export async function* readLines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of body.pipeThrough(
    new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>,
  )) {
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") yield line;
  }
  if (rest !== "") yield rest;
}
