/** Whether the server will be able to start, asked before the long work of loading a model. */
import { once } from "node:events";
import { createServer } from "node:net";
import type { ServerConfig } from "../config/config.ts";
import { readApiKeys } from "./api-keys.ts";
import { toListenError } from "./listen-error.ts";
import type { ListenerPlan } from "./listeners.ts";
import { readTlsFiles } from "./tls-files.ts";

/** @throws TroupeError `file_error`, `invalid_config` for files of keys and certificates that cannot be used */
export function checkServerFiles(listeners: readonly ListenerPlan[]): void {
  for (const { section, config } of listeners) {
    readTlsFiles(config, section);
    readApiKeys(config);
  }
}

/** @throws TroupeError `address_in_use`, `invalid_config` */
export async function checkAddress({ host, port }: Pick<ServerConfig, "host" | "port">): Promise<void> {
  const probe = createServer();
  try {
    probe.listen(port, host);
    await once(probe, "listening");
  } catch (error) {
    throw toListenError(error, host, port);
  }
  probe.close();
  await once(probe, "close");
}
