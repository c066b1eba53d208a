import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { request } from "node:http";
import { text as readText } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { readPlaygroundFiles } from "../../src/serving/playground-files.ts";
import { startServer } from "./test-server.ts";

const FOLDER = fileURLToPath(new URL("../../web", import.meta.url));

test("the page and every file it names are served with types, caching and a policy", async (t) => {
  const { url } = await startServer(t);
  const page = await fetch(`${url}/`);
  const html = await page.text();
  assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
  assert.equal(page.headers.get("cache-control"), "no-cache");
  const policy = page.headers.get("content-security-policy") ?? "";
  assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/);
  assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  assert.doesNotMatch(html, /<style|style=|<script(?![^>]*\ssrc=)|\son\w+=|https?:\/\//);

  const named = [...html.matchAll(/(?:src|href)="\.\/(playground\/[^"]+)"/g)].map(([, path]) => path!);
  assert.ok(named.length >= 5);
  const types = {
    css: "text/css; charset=utf-8",
    js: "text/javascript; charset=utf-8",
    svg: "image/svg+xml",
  };
  for (const path of named) {
    const file = await fetch(`${url}/${path}`);
    assert.equal(file.status, 200, path);
    assert.equal(file.headers.get("content-type"), types[path.split(".").at(-1) as keyof typeof types]);
    assert.equal(file.headers.get("cache-control"), "public, max-age=31536000, immutable");
    assert.equal(file.headers.get("x-content-type-options"), "nosniff");
    await file.arrayBuffer();
  }
});

test("the list has every file of the folder, and every import among them leads somewhere", () => {
  const { assets } = readPlaygroundFiles();
  const names = [...assets.keys()].map((path) => path.split("/")[1]!);
  assert.deepEqual(
    names.toSorted(),
    readdirSync(FOLDER)
      .filter((name) => name !== "index.html")
      .toSorted(),
  );
  for (const [path, { text }] of assets)
    for (const [, target] of text.matchAll(/from "\.\/([^"]+)"/g)) assert.ok(names.includes(target!), path);
});

test("no address leads to another file", async (t) => {
  const { port } = await startServer(t);
  const [asset] = readPlaygroundFiles().assets.keys();
  const hash = asset!.split("/")[0]!;
  for (const path of [
    "/playground/",
    "/playground/main.js",
    `/playground/${hash}/`,
    `/playground/${hash}/index.html`,
    `/playground/${hash}/../../package.json`,
    `/playground/${hash}/..%2f..%2fpackage.json`,
    `/playground/${hash}/%2e%2e/%2e%2e/package.json`,
    `/playground/${hash}/..%5c..%5cpackage.json`,
    `/playground/${hash}/main.js%00`,
    `/playground/${hash}/main.js/`,
    "/playground/__proto__",
    "/playground//etc/passwd",
  ]) {
    const response = await new Promise<{ status: number; body: string }>((resolve, reject) => {
      // fetch would tidy the address
      const sent = request({ port, host: "127.0.0.1", path }, async (reply) =>
        resolve({ status: reply.statusCode ?? 0, body: await readText(reply) }),
      );
      sent.on("error", reject).end();
    });
    assert.equal(response.status, 404, path);
    assert.equal((JSON.parse(response.body) as { error: { code: string } }).error.code, "not_found", path);
  }
});

test("a missing file is reported when the server is made", () => {
  assert.throws(() => readPlaygroundFiles("no-such-folder"), { code: "file_error" });
});
