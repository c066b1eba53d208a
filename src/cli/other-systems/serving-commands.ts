/** The servers of br-vllm-serving and of MindIE under their own names: `troupe serve` over their configuration files. */
import { join } from "node:path";
import type { CommandSpec } from "../command-spec.ts";
import { configFromFlags } from "../config-flags.ts";
import { serve } from "../serve-command.ts";
import { OTHER_SYSTEMS, oldFlag, oneOf } from "./old-flags.ts";

const HOST = oldFlag("host", "text", "address", "listen on this address (default: what the file says)");
const LOG_LEVEL = oldFlag("log-level", "text", "name", "fatal, error, warn, info, debug, trace or silent");

export const brApiServerCommand: CommandSpec = {
  name: "br_api_server",
  group: OTHER_SYSTEMS,
  summary: "br-vllm-serving's server: troupe serve --config FILE --port N",
  description: "Serves a configuration file of br-vllm-serving.",
  flags: [
    oldFlag("config", "text", "file", "the configuration"),
    oldFlag("config_path", "text", "file", "the same"),
    oldFlag("port", "number", "n", "the port to listen on (default: 8000)"),
    HOST,
    LOG_LEVEL,
  ],
  examples: [
    { line: "troupe br_api_server --config qwen2_72b.json --port 8000", does: "as in its documentation" },
  ],
  run(context, flags) {
    const file = oneOf(flags, "br_api_server", "--config", "--config_path");
    return serve(context, configFromFlags(context, flags.with("--config", file)));
  },
};

export const mindieDaemonCommand: CommandSpec = {
  name: "mindieservice_daemon",
  group: OTHER_SYSTEMS,
  summary: "MindIE's server: troupe serve --config conf/config.json",
  description: "Serves conf/config.json of the working directory, and says when it is ready as MindIE does.",
  flags: [oldFlag("config", "text", "file", "another configuration"), HOST, LOG_LEVEL],
  examples: [
    { line: "nohup troupe mindieservice_daemon > output.log 2>&1 &", does: "as in its documentation" },
  ],
  run(context, flags) {
    const file = flags.text("--config") ?? join("conf", "config.json");
    return serve(context, configFromFlags(context, flags.with("--config", file)));
  },
};
