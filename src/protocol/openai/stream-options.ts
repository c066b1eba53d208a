/** The `stream` and `stream_options` fields of both OpenAI formats. */
import { z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";

/** Shape of the two fields, to be spread into a format's own object. */
export const streamShape = {
  stream: z.boolean().nullish(),
  stream_options: z
    .strictObject({
      include_usage: z.boolean().nullish(),
      continuous_usage_stats: z.boolean().nullish(),
      // Padding against traffic analysis: without meaning where nothing pads.
      include_obfuscation: z.boolean().nullish(),
      resumable: z.boolean().nullish(),
    })
    .nullish(),
} as const;

const streamObject = z.object(streamShape);

/** What of the answer is streamed, and how. */
export interface StreamOptions {
  readonly isStreamed: boolean;
  /** A last chunk with the counts, and `usage: null` in all others. */
  readonly includeUsage: boolean;
  /** vLLM: the counts so far in every chunk. */
  readonly continuousUsage: boolean;
  /** Events carry ids, and the stream can be taken up again after a lost connection. */
  readonly isResumable: boolean;
}

/** @throws TroupeError `invalid_request` for stream_options without stream, as OpenAI does. */
export function readStreamOptions(wire: z.infer<typeof streamObject>): StreamOptions {
  const isStreamed = wire.stream ?? false;
  if (wire.stream_options != null && !isStreamed) {
    const message = '"stream_options" is only allowed together with "stream": true.';
    throw new TroupeError("invalid_request", message, { details: { param: "stream_options" } });
  }
  const continuousUsage = wire.stream_options?.continuous_usage_stats ?? false;
  return {
    isStreamed,
    continuousUsage,
    includeUsage: wire.stream_options?.include_usage ?? continuousUsage,
    isResumable: wire.stream_options?.resumable ?? false,
  };
}
