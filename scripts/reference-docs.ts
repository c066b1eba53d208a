/** The reference pages that follow from code and data: errors, configuration, command line. Pure: data in, Markdown out. */
import type { ProgramSpec } from "../src/cli/command-line.ts";
import type { FlagSpec } from "../src/cli/command-spec.ts";
import type { ErrorCodeInfo } from "../src/errors/error-codes.ts";
import type { KeyReference } from "./config-reference.ts";

const GENERATED = "<!-- Made by `npm run docs`; do not edit. -->";

/** docs/errors.md */
export function errorsPage(codes: Readonly<Record<string, ErrorCodeInfo>>): string {
  const rows = Object.entries(codes).map(([code, { status, retryable, overloaded, meaning }]) => [
    `\`${code}\``,
    `${status}`,
    overloaded ? "yes, after a while" : retryable ? "yes" : "no",
    meaning,
  ]);
  return page(
    "Errors",
    "Every error of Troupe is a `TroupeError` with a stable `code`. Decide on the code and the two flags `retryable` and",
    "`overloaded`, never on the message. Over HTTP the code stands in `error.code` of the body, beside the status below;",
    "on a WebSocket it is in the `error` message. `details` carries what a program may want: the path of a field, a limit.",
    "",
    table(["Code", "Status", "Worth a retry", "Meaning"], rows),
  );
}

/** docs/configuration.md */
export function configurationPage(keys: readonly KeyReference[]): string {
  const sections = [...new Set(keys.map((key) => sectionOf(key)))].flatMap((section) => [
    "",
    `## ${section}`,
    "",
    table(
      ["Key", "May be", "Default", "Meaning"],
      keys
        .filter((key) => sectionOf(key) === section)
        .map((key) => [`\`${key.path}\``, key.range, `\`${key.defaultText}\``, key.meaning]),
    ),
  ]);
  return page(
    "Configuration",
    "`troupe serve --config FILE` reads a YAML file of sections and keys. Flags win over the file, the file over the",
    "defaults; what is left out takes its default. An unknown key or a value out of range ends the start with its path,",
    "the value, and the nearest key that exists.",
    "",
    "[configs/understudy.yaml](../configs/understudy.yaml) has every key with its default, ready to be copied;",
    "[configs/cpu-server.yaml](../configs/cpu-server.yaml) is an example for a model of 1 to 8 billion parameters on a",
    "machine with many cores. A program passes the same object to `parseConfig` and `startEngine`.",
    ...sections,
    "",
    "## models",
    "",
    "Several models in one server: a list of entries, each with a `path`, the other keys of `model`, a `name` (the first of its",
    "`servedNames`) and, under `engine`, the keys that differ; what an entry leaves out is what `model` and `engine` say.",
    "[configs/several-models.yaml](../configs/several-models.yaml) is an example. The first is the default: it answers requests",
    "that name no model, and `troupe generate` and `troupe chat` use it. Without the list there is one model, of `model`. Names must",
    "differ. A flag that names a model (`--model`) takes the place of the whole list; other flags hold for every entry that does not",
    "say otherwise. Loading and unloading while the server runs: [operations](operations.md#several-models).",
  );
}

function sectionOf(key: KeyReference): string {
  return key.path.split(".", 1)[0]!;
}

/** docs/cli.md */
export function commandLinePage(program: ProgramSpec): string {
  const commands = program.commands.flatMap((command) => [
    "",
    `## ${program.name} ${command.name}${command.positional === undefined ? "" : ` ${command.positional.name}`}`,
    "",
    command.description,
    "",
    ...(command.positional === undefined
      ? []
      : [`\`${command.positional.name}\`: ${command.positional.description}.`, ""]),
    table(["Flag", "Meaning"], command.flags.map(flagRow)),
    "",
    "```",
    ...command.examples.map(({ line, does }) => `${line}   # ${does}`),
    "```",
  ]);
  return page(
    "Command line",
    "In a checkout the command is `npm run -s troupe -- COMMAND ...`; installed from npm it is `troupe COMMAND ...`.",
    "`troupe help COMMAND` prints what stands here. Flags win over the file of `--config`, and that over the defaults",
    "([configuration](configuration.md)).",
    "",
    table(
      ["Exit code", "Meaning"],
      [
        ["0", "Done; for `serve`, stopped by a signal after draining."],
        ["1", "It failed; one line on standard error says why. `--log-level debug` adds the stack."],
        ["2", "The command line was not understood, or a prompt or sampling flag was refused."],
        ["130", "Ctrl-C cut the work of `generate`, `compile` or a command that writes weights."],
      ],
    ),
    ...commands,
  );
}

function flagRow({ flags, description, choices }: FlagSpec): string[] {
  const values = choices === undefined ? "" : ` (${choices.join(", ")})`;
  return [`\`${flags}\``, `${description}${values}`];
}

function page(title: string, ...lines: readonly string[]): string {
  return `${[`# ${title}`, "", GENERATED, "", ...lines].join("\n")}\n`;
}

/** Columns are padded as the formatter does it, so that the pages stay as they are made. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${widths.map((width, column) => (row[column] ?? "").padEnd(width)).join(" | ")} |`;
  const rule = widths.map((width) => "-".repeat(width));
  return [line(cells[0]!), line(rule), ...cells.slice(1).map(line)].join("\n");
}
