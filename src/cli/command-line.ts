/** The adapter of commander: parses the command line into a command, its flags and its arguments; writes help and usage errors. */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { type CliContext, EXIT } from "./cli-context.ts";
import type { CommandSpec, FlagSpec } from "./command-spec.ts";
import { FlagValues } from "./flag-values.ts";

/** The command that was asked for. */
export interface ParsedCommand {
  readonly command: CommandSpec;
  readonly flags: FlagValues;
  readonly positional: readonly string[];
}

/** How the whole program introduces itself. */
export interface ProgramSpec {
  readonly name: string;
  readonly description: string;
  readonly commands: readonly CommandSpec[];
  readonly examples: CommandSpec["examples"];
}

/** @returns what was asked for, or the exit code when help, the version or a usage error was all there is to say. */
export function parseCommandLine(program: ProgramSpec, context: CliContext): ParsedCommand | number {
  let parsed: ParsedCommand | undefined;
  const root = new Command(program.name)
    .description(program.description)
    .version(context.version, "-v, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .showHelpAfterError(`(${program.name} --help explains)`)
    .addHelpText("after", examplesText(program.examples))
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      getOutHelpWidth: () => context.stdout.columns ?? 100,
      getErrHelpWidth: () => context.stderr.columns ?? 100,
    })
    .exitOverride();
  for (const spec of program.commands) {
    addCommand(root, program.name, spec, (flags, positional) => {
      parsed = { command: spec, flags, positional };
    });
  }
  try {
    root.parse([...context.args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  return parsed ?? EXIT.usage;
}

function addCommand(
  root: Command,
  programName: string,
  spec: CommandSpec,
  found: (flags: FlagValues, positional: readonly string[]) => void,
): void {
  const command = root
    .command(spec.name)
    .summary(spec.summary)
    .description(spec.description)
    .showHelpAfterError(`(${programName} ${spec.name} --help lists all flags)`)
    .addHelpText("after", examplesText(spec.examples));
  if (spec.group !== undefined) command.helpGroup(spec.group);
  if (spec.positional !== undefined) command.argument(spec.positional.name, spec.positional.description);
  const options = spec.flags.map((flag) => ({ flag, option: toOption(flag) }));
  for (const { option } of options) command.addOption(option);
  command.action(() => {
    const given = new Map<string, unknown>();
    for (const { option } of options) {
      const key = option.attributeName();
      if (command.getOptionValueSource(key) !== "cli" || option.long === undefined) continue;
      given.set(option.long, option.negate ? true : command.getOptionValue(key));
    }
    found(new FlagValues(given), command.args);
  });
}

function toOption(flag: FlagSpec): Option {
  const option = new Option(flag.flags, flag.description);
  if (flag.group !== undefined) option.helpGroup(flag.group);
  if (flag.kind === "number") option.argParser(toNumber);
  if (flag.kind === "list")
    option.argParser((text, previous: string[] | undefined) => [...(previous ?? []), text]);
  if (flag.choices !== undefined) option.choices(flag.choices);
  return option;
}

function toNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("It must be a number.");
  return value;
}

function examplesText(examples: CommandSpec["examples"]): string {
  const lines = examples.map(({ line, does }) => `  ${line}\n      ${does}`);
  return `\nExamples:\n${lines.join("\n")}`;
}
