/** What the commands that write weights have in common: their flags, and how a run of one goes. */
import { basename, resolve } from "node:path";
import { TroupeError } from "../errors/troupe-error.ts";
import { byteText } from "./byte-text.ts";
import type { CliContext } from "./cli-context.ts";
import type { FlagSpec } from "./command-spec.ts";
import type { FlagValues } from "./flag-values.ts";
import { runLongWork } from "./long-work.ts";
import type { WeightsRequest, WrittenWeights } from "./services.ts";

/** Where from, where to. */
export const weightsFlags: readonly FlagSpec[] = [
  { flags: "-m, --model <folder>", kind: "text", description: "the folder to read" },
  { flags: "-o, --output <folder>", kind: "text", description: "the folder to write; made if need be" },
  {
    flags: "--cache-dir <folder>",
    kind: "text",
    description: "where checksums of read files are remembered (default: the user's cache folder)",
  },
];

/** How to cut. */
export const strategyFlags: readonly FlagSpec[] = [
  { flags: "--tp <n>", kind: "number", description: "number of ranks" },
  {
    flags: "--strategy <file>",
    kind: "text",
    description: "cut by this strategy file instead (docs/weights.md)",
  },
];

/** @throws TroupeError `invalid_request` when a flag is missing */
export function required(flags: FlagValues, flag: string, command: string): string {
  const value = flags.text(flag);
  if (value !== undefined) return value;
  throw new TroupeError("invalid_request", `${command} needs ${flag}; troupe ${command} --help explains`);
}

/** A folder as typed, as a whole path. @throws TroupeError `invalid_request` when it is missing */
export function folder(context: CliContext, flags: FlagValues, flag: string, command: string): string {
  return resolve(context.cwd, required(flags, flag, command));
}

/** @throws TroupeError `invalid_request` unless exactly one of --tp and --strategy is given */
export function strategyOf(
  context: CliContext,
  flags: FlagValues,
  command: string,
): { readonly size: number } | { readonly file: string } {
  const size = flags.number("--tp");
  const file = flags.text("--strategy");
  if ((size === undefined) === (file === undefined)) {
    throw new TroupeError("invalid_request", `${command} needs either --tp <n> or --strategy <file>`);
  }
  if (file !== undefined) return { file: resolve(context.cwd, file) };
  if (Number.isInteger(size) && size! >= 1) return { size: size! };
  throw new TroupeError("invalid_request", `--tp is ${size}; it must be a whole number, 1 or more`);
}

/** Runs a job with a progress bar; Ctrl-C stops it in a state that the same command goes on from. */
export async function runWeights(
  context: CliContext,
  flags: FlagValues,
  {
    command,
    verb,
    work,
  }: { readonly command: string; readonly verb: string; readonly work: WeightsRequest["work"] },
): Promise<number> {
  const modelDir = folder(context, flags, "--model", command);
  const outputDir = folder(context, flags, "--output", command);
  const cacheDir = flags.has("--cache-dir") ? folder(context, flags, "--cache-dir", command) : null;
  return await runLongWork(context, {
    title: `${verb} ${basename(modelDir)}`,
    run: (how) => context.services.writeWeights({ modelDir, outputDir, cacheDir, work, ...how }),
    report: describe,
    whenStopped: "Stopped. The same command goes on behind the files that are finished.\n",
  });
}

function describe({ folder: written, weightBytes, wasWritten, isIdentical }: WrittenWeights): string {
  const done = wasWritten ? "Written" : "Already there, checksums intact";
  const note =
    isIdentical === false ? "; tensors are the original's, headers of files are laid out anew" : "";
  return `${done}: ${written} (${byteText(weightBytes)} of weights${note})\n`;
}
