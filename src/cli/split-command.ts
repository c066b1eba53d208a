/** `troupe split` and `troupe resplit`: weights cut into a shard for each rank. */
import { TroupeError } from "../errors/troupe-error.ts";
import { EXIT, write } from "./cli-context.ts";
import type { CommandSpec } from "./command-spec.ts";
import { folder, runWeights, strategyFlags, strategyOf, weightsFlags } from "./weights-flags.ts";

export const splitCommand: CommandSpec = {
  name: "split",
  summary: "cut a model's weights into a shard for each rank",
  description:
    "Writes a folder with a shard for each rank (rank-00000-of-00002, ...) and strategy.json, which says how each tensor\n" +
    "is cut. The result is a model folder as before: every command reads it. Interrupted, the same command goes on.",
  flags: [
    ...weightsFlags,
    ...strategyFlags,
    {
      flags: "--only-save-strategy",
      kind: "switch",
      description: "print the strategy for --tp ranks and write no weights",
    },
  ],
  examples: [
    { line: "troupe split --model ./llama --tp 2 --output ./llama-tp2", does: "for two ranks" },
    {
      line: "troupe split --model ./llama --tp 4 --only-save-strategy > mine.json",
      does: "a strategy to read, or to change and give back with --strategy",
    },
  ],
  async run(context, flags) {
    const strategy = strategyOf(context, flags, "split");
    if (!flags.has("--only-save-strategy")) {
      return await runWeights(context, flags, {
        command: "split",
        verb: "Splitting",
        work: { kind: "split", strategy },
      });
    }
    if (!("size" in strategy))
      throw new TroupeError("invalid_request", "--only-save-strategy needs --tp <n>");
    const modelDir = folder(context, flags, "--model", "split");
    await write(context.stdout, await context.services.planStrategy(modelDir, strategy.size));
    return EXIT.ok;
  },
};

export const resplitCommand: CommandSpec = {
  name: "resplit",
  summary: "cut shards anew, for other ranks or by another strategy",
  description:
    "Reads a folder that `split` wrote and writes one that is cut otherwise. The whole is never on the disk or in memory.",
  flags: [...weightsFlags, ...strategyFlags],
  examples: [
    {
      line: "troupe resplit --model ./llama-tp2 --tp 4 --output ./llama-tp4",
      does: "from two ranks to four",
    },
  ],
  async run(context, flags) {
    const strategy = strategyOf(context, flags, "resplit");
    const modelDir = folder(context, flags, "--model", "resplit");
    if (!(await context.services.isSplit(modelDir))) {
      throw new TroupeError(
        "invalid_request",
        `${modelDir} holds no shards; troupe split cuts whole weights`,
      );
    }
    return await runWeights(context, flags, {
      command: "resplit",
      verb: "Splitting",
      work: { kind: "split", strategy },
    });
  },
};
