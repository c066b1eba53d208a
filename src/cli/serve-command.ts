/** `troupe serve`: engine and server until a signal; then intake stops, running answers finish, exit 0. */
import type { TroupeConfig } from "../config/config.ts";
import { mindie } from "../config/dialects/mindie.ts";
import type { Engine, ModelInfo } from "../protocol/engine.ts";
import type { ModelRegistry } from "../serving/model-registry.ts";
import { type CliContext, EXIT, write } from "./cli-context.ts";
import type { CommandSpec } from "./command-spec.ts";
import { configFromFlags, serveFlags } from "./config-flags.ts";
import type { RunningServer } from "./services.ts";
import { startModels } from "./start-models.ts";
import { listenForStop, type StopRequests } from "./stop-requests.ts";

/** What scripts around MindIE wait for in its output. */
const MINDIE_READY = "Daemon start success!\n";

export const serveCommand: CommandSpec = {
  name: "serve",
  summary: "serve a model over HTTP and WebSocket",
  description:
    "Serves a model with the OpenAI HTTP API and a WebSocket protocol. Without --model it serves the small\n" +
    "embedded one. The first start of a model compiles it; later starts take it from the cache.",
  flags: serveFlags,
  examples: [
    { line: "troupe serve", does: "serve the embedded model on http://127.0.0.1:8000" },
    {
      line: "troupe serve --model ~/models/llama --precision w8",
      does: "serve a Hugging Face folder with 8-bit weights",
    },
    {
      line: "troupe serve --config configs/cpu-server.yaml --port 9000",
      does: "a file of settings, and one flag over it",
    },
    {
      line: "troupe serve --model ./ids-only --skip-tokenizer-init",
      does: "serve a folder without a tokenizer on token ids",
    },
  ],
  run: (context, flags) => serve(context, configFromFlags(context, flags)),
};

/** Serves until a signal. @returns the exit code */
export async function serve(context: CliContext, config: TroupeConfig): Promise<number> {
  await sayNoEffect(context, config);
  await context.services.checkAddress(config);
  const models = await startModels(context, config);
  // Only from here on: before, nothing needs a drain, and the signal's default action ends the start at once.
  const stop = listenForStop(context);
  try {
    await serveUntilStopped(context, config, models, stop);
  } finally {
    stop.end();
  }
  return EXIT.ok;
}

async function serveUntilStopped(
  context: CliContext,
  config: TroupeConfig,
  models: ModelRegistry,
  stop: StopRequests,
): Promise<void> {
  let server: RunningServer;
  try {
    server = await context.services.startServer(models, config, context.version);
  } catch (error) {
    await models.stop({ drainMs: 0 });
    throw error;
  }
  await write(context.stdout, announcement(config, models, server, context.version));
  const mode = await Promise.race([stop.first, server.stopRequested]);
  const drainMs = mode === "force" ? 0 : config.shutdown.drainMs;
  await say(
    context,
    config,
    `Stopping: running answers may take ${drainMs / 1000} s more; Ctrl-C again cuts them now.`,
  );
  // Its failure, if any, comes out of the stop below.
  stop.second.then(() => models.stop({ drainMs: 0 })).catch(() => undefined);
  await server.close({ drainMs });
  await models.stop({ drainMs: 0 });
  await say(context, config, "Stopped.");
}

/** One warning with all keys of another system's configuration that do nothing here. */
async function sayNoEffect(context: CliContext, { origin, log }: TroupeConfig): Promise<void> {
  if (origin.system === null || origin.noEffect.length === 0 || log.level === "silent") return;
  const text = `Keys of ${origin.system} that have no effect here: ${origin.noEffect.join(", ")}.`;
  const line = log.format === "json" ? JSON.stringify({ level: "warn", msg: text, ...origin }) : text;
  await write(context.stderr, `${line}\n`);
}

async function say(context: CliContext, config: TroupeConfig, text: string): Promise<void> {
  if (config.log.format === "pretty" && config.log.level !== "silent")
    await write(context.stdout, `${text}\n`);
}

/** What a newcomer needs next: the addresses and a line to try. Machines get one JSON line. */
function announcement(
  config: TroupeConfig,
  models: ModelRegistry,
  { url, management, metrics }: RunningServer,
  version: string,
): string {
  const ready = config.origin.system === mindie.name ? MINDIE_READY : "";
  const http = `${url}/v1`;
  const webSocket = `${url.replace(/^http/, "ws")}/v1/stream`;
  const { info } = models.default;
  const { architecture, precision, kvDtype, maxModelLen } = info;
  if (config.log.level === "silent") return ready;
  if (config.log.format === "json") {
    const addresses = { http, webSocket, ...(management && { management }), ...(metrics && { metrics }) };
    return `${JSON.stringify({ msg: ready.trim() || "serving", ...addresses, models: models.names, architecture, precision, kvDtype, maxModelLen })}\n`;
  }
  return `
Troupe ${version} serves ${models.engines.map(describeModel).join("\n  and ")}

  HTTP        ${http}
  WebSocket   ${webSocket}
  Playground  ${url}/${management === null ? "" : `\n  Management  ${management}`}${metrics === null ? "" : `\n  Metrics     ${metrics}/metrics`}

Try it:

  ${tryLine(config, info, http)}

Ctrl-C stops it.
${ready}`;
}

function describeModel({ info }: Engine): string {
  const { names, architecture, precision, kvDtype, maxModelLen } = info;
  return `${names.join(", ")} (${architecture}, ${precision}, KV ${kvDtype}, context ${maxModelLen} tokens)`;
}

function tryLine({ server }: TroupeConfig, info: ModelInfo, http: string): string {
  const model = info.names[0];
  const [route, body] = info.hasChatTemplate
    ? [
        "chat/completions",
        { model, messages: [{ role: "user", content: "Tell me a short story." }], stream: true },
      ]
    : info.hasTokenizer
      ? ["completions", { model, prompt: "Once upon a time", max_tokens: 64, stream: true }]
      : ["completions", { model, prompt: [1, 2, 3], max_tokens: 16, return_token_ids: true }];
  const json = JSON.stringify(body).replaceAll("'", "'\\''");
  const wantsKey = server.apiKeys.length > 0 || server.apiKeyFile !== null;
  const key = wantsKey ? ` -H "Authorization: Bearer $API_KEY"` : "";
  return `curl -N ${http}/${route}${key} -H 'content-type: application/json' -d '${json}'`;
}
