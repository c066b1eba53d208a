/** Where `troupe generate` takes its prompts from: arguments, else --file with one a line, else all of standard input. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { text as readAll } from "node:stream/consumers";
import { TroupeError } from "../errors/troupe-error.ts";
import type { Prompt } from "../protocol/engine.ts";
import type { CliContext } from "./cli-context.ts";
import type { FlagValues } from "./flag-values.ts";

/** @throws TroupeError `invalid_request` when there is none, `file_error` when --file cannot be read. */
export async function readPrompts(
  context: CliContext,
  flags: FlagValues,
  positional: readonly string[],
): Promise<readonly string[]> {
  const file = flags.text("--file");
  if (file !== undefined && positional.length > 0) {
    throw new TroupeError("invalid_request", "Give prompts as arguments or with --file, not both.");
  }
  const prompts = file !== undefined ? linesOf(await readPromptFile(context, file)) : positional;
  if (prompts.length > 0) return prompts;
  if (file !== undefined)
    throw new TroupeError("invalid_request", `${file} has no prompts; write one on each line.`);
  if (context.stdin.isTTY) {
    throw new TroupeError(
      "invalid_request",
      'No prompt. Try: troupe generate "There once was a brave dragon"',
    );
  }
  const input = (await readAll(context.stdin)).replace(/\r?\n$/, "");
  if (input === "")
    throw new TroupeError("invalid_request", "Standard input is empty; write a prompt to it.");
  return [input];
}

/** Whitespace or commas between ids, as many prompts are written. */
export function toTokenIds(prompt: string): Prompt {
  const words = prompt.split(/[\s,[\]]+/).filter((word) => word !== "");
  const ids = words.map(Number);
  if (
    ids.length === 0 ||
    ids.some((id, index) => !/^\d+$/.test(words[index]!) || !Number.isSafeInteger(id))
  ) {
    throw new TroupeError(
      "invalid_request",
      `With --skip-tokenizer-init a prompt is a list of token ids such as "1 15 27", not ${JSON.stringify(prompt)}.`,
    );
  }
  return { kind: "ids", ids };
}

async function readPromptFile(context: CliContext, file: string): Promise<string> {
  try {
    return await readFile(resolve(context.cwd, file), "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const reason = code === "ENOENT" ? "does not exist" : `cannot be read (${code})`;
    throw new TroupeError("file_error", `The prompt file ${file} ${reason}.`, { cause: error });
  }
}

function linesOf(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line.trim() !== "");
}
