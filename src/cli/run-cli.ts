/** The command line as a function of its surroundings: parses, runs the command, and says every failure in one line. */
import { parseConfig } from "../config/load-config.ts";
import { TroupeError, toTroupeError } from "../errors/troupe-error.ts";
import { chatCommand } from "./chat-command.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { type ProgramSpec, parseCommandLine } from "./command-line.ts";
import { compileCommand } from "./compile-command.ts";
import { configFromFlags } from "./config-flags.ts";
import { convertCommand } from "./convert-command.ts";
import { exportCommand } from "./export-command.ts";
import type { FlagValues } from "./flag-values.ts";
import { generateCommand } from "./generate-command.ts";
import { inspectCommand } from "./inspect-command.ts";
import { launchCommand } from "./launch-command.ts";
import { mergeCommand } from "./merge-command.ts";
import { runInferMainCommand } from "./other-systems/infer-main-command.ts";
import { runLlmBoostCommand } from "./other-systems/llm-boost-command.ts";
import { postSamplingCommand } from "./other-systems/post-sampling-command.ts";
import { brApiServerCommand, mindieDaemonCommand } from "./other-systems/serving-commands.ts";
import {
  convertWeightCommand,
  modelConvertCommand,
  transformCheckpointCommand,
} from "./other-systems/weights-commands.ts";
import { servablesCommand } from "./servables-command.ts";
import { serveCommand } from "./serve-command.ts";
import { resplitCommand, splitCommand } from "./split-command.ts";

/** All commands. docs/cli.md is held against this. */
export const PROGRAM: ProgramSpec = {
  name: "troupe",
  description: "Serves large language models from Node.js and streams their tokens.",
  commands: [
    serveCommand,
    launchCommand,
    generateCommand,
    chatCommand,
    compileCommand,
    inspectCommand,
    exportCommand,
    convertCommand,
    splitCommand,
    mergeCommand,
    resplitCommand,
    servablesCommand,
    brApiServerCommand,
    mindieDaemonCommand,
    runInferMainCommand,
    runLlmBoostCommand,
    convertWeightCommand,
    transformCheckpointCommand,
    modelConvertCommand,
    postSamplingCommand,
  ],
  examples: [
    { line: "troupe serve", does: "serve the embedded model on http://127.0.0.1:8000" },
    { line: 'troupe generate --chat "What is 17 + 15?"', does: "one answer, without a server" },
    { line: "troupe help serve", does: "all flags of serve" },
  ],
};

/** @returns the exit code; never rejects. */
export async function runCli(context: CliContext): Promise<number> {
  const parsed = parseCommandLine(PROGRAM, context);
  if (typeof parsed === "number") return parsed;
  try {
    return await parsed.command.run(context, parsed.flags, parsed.positional);
  } catch (thrown) {
    context.stderr.write(`${describe(thrown, isDebug(context, parsed.flags))}\n`);
    return isUsageError(thrown) ? EXIT.usage : EXIT.failed;
  }
}

function describe(thrown: unknown, withStack: boolean): string {
  const error = toTroupeError(thrown);
  const line = `troupe: ${error.message.replaceAll(/\s*\n\s*/g, " ")}`;
  if (withStack) return `${line}\n${stacksOf(error)}`;
  const hint = error.code === "internal" ? " (a bug in Troupe; --log-level debug shows where)" : "";
  return `${line}${hint}`;
}

function stacksOf(error: Error): string {
  const { cause } = error;
  return `${error.stack ?? ""}${cause instanceof Error ? `\ncaused by ${stacksOf(cause)}` : ""}`;
}

/** Mistakes in what was typed, as against failures of what was asked for. */
function isUsageError(thrown: unknown): boolean {
  return thrown instanceof TroupeError && thrown.code === "invalid_request";
}

function isDebug(context: CliContext, flags: FlagValues): boolean {
  try {
    const { level } = configFromFlags(context, flags).log;
    return level === "debug" || level === "trace";
  } catch {
    // The configuration itself is what failed; only the flag can be trusted then.
    const level = flags.text("--log-level") ?? parseConfig().log.level;
    return level === "debug" || level === "trace";
  }
}
