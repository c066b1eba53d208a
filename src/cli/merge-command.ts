/** `troupe merge`: shards put together again. */
import type { CommandSpec } from "./command-spec.ts";
import { runWeights, weightsFlags } from "./weights-flags.ts";

export const mergeCommand: CommandSpec = {
  name: "merge",
  summary: "put the shards of a split model together again",
  description:
    "Writes whole weights from a folder that `split` or `resplit` wrote, every byte as it was before. Each shard is held\n" +
    "against its checksum first; a missing or foreign one is refused by name.",
  flags: weightsFlags,
  examples: [{ line: "troupe merge --model ./llama-tp2 --output ./llama", does: "whole weights again" }],
  async run(context, flags) {
    return await runWeights(context, flags, { command: "merge", verb: "Merging", work: { kind: "merge" } });
  },
};
