import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { get, type RequestOptions } from "node:https";
import { connect } from "node:net";
import { text as readText } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import type { ServerConfig } from "../../src/config/config.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { readTlsFiles } from "../../src/serving/tls-files.ts";
import { CONFIG, startServer } from "./test-server.ts";

const file = (name: string): string => fileURLToPath(new URL(`./certificates/${name}`, import.meta.url));
const TLS: Partial<ServerConfig> = { tlsCertificate: file("server.pem"), tlsKey: file("server.key") };
const ca = readFileSync(file("ca.pem"));
const certificate = { cert: readFileSync(file("client.pem")), key: readFileSync(file("client.key")) };

async function fetchText(url: string, options: RequestOptions): Promise<string> {
  const [response] = await once(get(url, { ca, agent: false, ...options }), "response");
  return await readText(response);
}

test("https and wss on one port, with the address that says so", async (t) => {
  const { url, port } = await startServer(t, { config: TLS });
  assert.equal(url, `https://127.0.0.1:${port}`);
  assert.match(await fetchText(`${url}/version`, {}), /"1\.2\.3"/);
  const socket = new WebSocket(`wss://127.0.0.1:${port}/v1/stream`, { ca });
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "generate", id: "a", prompt: "x" }));
  const [data] = (await once(socket, "message")) as [Buffer];
  assert.match(String(data), /"type":"token"/);
  socket.terminate();
});

test("plain HTTP on a TLS port ends the connection, and others are served", async (t) => {
  const { url, port } = await startServer(t, { config: TLS });
  const plain = connect(port, "127.0.0.1");
  plain.on("error", () => undefined);
  plain.write("GET /version HTTP/1.1\r\nHost: x\r\n\r\n");
  plain.resume();
  await once(plain, "close");
  assert.match(await fetchText(`${url}/version`, {}), /"1\.2\.3"/);
});

test("with client certificates required, a client without one is turned away", async (t) => {
  const config = { ...TLS, tlsClientCa: file("ca.pem"), tlsRequireClientCertificate: true };
  const { url } = await startServer(t, { config });
  assert.match(await fetchText(`${url}/version`, certificate), /"1\.2\.3"/);
  await assert.rejects(fetchText(`${url}/version`, {}));
});

for (const [title, config, code, message] of [
  ["a file that is missing", { tlsKey: "/no/such.key" }, "file_error", /server\.tlsKey: .*\/no\/such\.key/],
  ["a file that is no PEM", { tlsCertificate: file("README.md") }, "invalid_config", /cannot be used/],
  ["a key of another certificate", { tlsKey: file("client.key") }, "invalid_config", /cannot be used/],
] as const) {
  test(`${title} is named before the server starts`, () => {
    assert.throws(
      () => readTlsFiles({ ...CONFIG, ...TLS, ...config }),
      (error) => {
        assert.ok(error instanceof TroupeError && error.code === code);
        assert.match(error.message, message);
        return true;
      },
    );
  });
}
