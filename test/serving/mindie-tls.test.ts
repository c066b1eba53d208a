import assert from "node:assert/strict";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get, type RequestOptions } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadConfig } from "../../src/config/load-config.ts";
import { startServer } from "./test-server.ts";

const certificates = fileURLToPath(new URL("./certificates", import.meta.url));
const sample = fileURLToPath(new URL("../../configs/mindie.json", import.meta.url));
const read = (name: string): Buffer => readFileSync(join(certificates, name));

test("a MindIE file with httpsEnabled serves every listener over mutual TLS", async (t) => {
  const root = mkdtempSync(join(tmpdir(), "troupe-mindie-"));
  t.after(() => rmSync(root, { recursive: true }));
  cpSync(certificates, join(root, "security"), { recursive: true });
  mkdirSync(join(root, "conf"));
  const file = JSON.parse(readFileSync(sample, "utf8")) as { ServerConfig: object };
  const pem = (plane: string): object => ({
    [plane === "" ? "tlsCaFile" : `${plane}TlsCaFile`]: ["ca.pem"],
    [plane === "" ? "tlsCert" : `${plane}TlsCert`]: "security/server.pem",
    [plane === "" ? "tlsPk" : `${plane}TlsPk`]: "security/server.key",
  });
  Object.assign(file.ServerConfig, { httpsEnabled: true, tlsCaPath: "security/" });
  for (const plane of ["", "management", "metrics"]) Object.assign(file.ServerConfig, pem(plane));
  const path = join(root, "conf", "config.json");
  writeFileSync(path, JSON.stringify(file));
  const { server, management, metrics } = loadConfig({ file: path, env: {} });
  const at = { host: "127.0.0.1", port: 0 };
  const urls = await startServer(t, {
    config: { ...server, ...at },
    management: { ...management, ...at },
    metrics: { ...metrics, ...at },
  });
  const client = { cert: read("client.pem"), key: read("client.key") };
  const ask = async (url: string, options: RequestOptions): Promise<string> => {
    const [response] = await once(get(url, { ca: read("ca.pem"), agent: false, ...options }), "response");
    return await readText(response);
  };
  for (const [url, expected] of [
    [`${urls.url}/v2`, /"MindIE Server"/],
    [`${urls.management}/info`, /"text-generation"/],
    [`${urls.metrics}/metrics`, /num_requests_running/],
  ] as const) {
    assert.match(url, /^https:/);
    assert.match(await ask(url, client), expected);
    await assert.rejects(ask(url, {}));
  }
});
