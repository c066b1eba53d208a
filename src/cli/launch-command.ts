/** `troupe launch`: serve with one rank for each device of a list. */

import { TroupeError } from "../errors/troupe-error.ts";
import type { CommandSpec } from "./command-spec.ts";
import { configFromFlags, devicesOf, serveFlags } from "./config-flags.ts";
import { serve } from "./serve-command.ts";

const OWN_FLAGS = ["--devices", "--threads", "--tensor-parallel"];

export const launchCommand: CommandSpec = {
  name: "launch",
  summary: "serve a model on several devices, one rank for each",
  description:
    "Splits a model over the devices of a list and serves it, with all flags of serve. Ranks are threads of this\n" +
    "process: they share memory, and one command starts and stops them all.",
  flags: [
    {
      flags: "--devices <names>",
      kind: "list",
      description: "one for each rank, as cpu:0,cpu:1 (cpu:K, cuda:K, webgpu:0, dml:K or coreml)",
    },
    {
      flags: "--threads-per-rank <n>",
      kind: "number",
      description: "threads that multiply matrices in each rank (default: cores / ranks)",
    },
    ...serveFlags.filter(({ flags }) => !OWN_FLAGS.some((own) => flags.includes(own))),
  ],
  examples: [
    { line: "troupe launch --devices cpu:0,cpu:1", does: "the embedded model on two ranks" },
    {
      line: "troupe launch --devices cpu:0,cpu:1,cpu:2,cpu:3 --threads-per-rank 8 --log-dir logs --model ~/models/llama",
      does: "four ranks of eight threads, with a log of each in ./logs",
    },
  ],
  async run(context, flags) {
    const devices = devicesOf(flags);
    if (devices.length === 0) {
      throw new TroupeError(
        "invalid_config",
        "--devices is missing: name one for each rank, as cpu:0,cpu:1.",
      );
    }
    const threads = flags.number("--threads-per-rank");
    const forced = {
      engine: { devices, tensorParallel: null, ...(threads !== undefined && { threads }) },
    };
    return await serve(context, configFromFlags(context, flags, { forced }));
  },
};
