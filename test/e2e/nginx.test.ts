/**
 * br-vllm-serving's several services: two servers whose configurations name both, and its nginx sample in front, which
 * hands requests round without looking at their model.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import OpenAI from "openai";
import { ROOT, startServerProcess } from "../examples/server-process.ts";

const NGINX = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"].find((path) => existsSync(path));
const skip =
  NGINX === undefined && "no nginx on this machine: install it (Debian: apt-get install nginx-light)";

const MODELS = ["Qwen/Qwen1.5-14B-Chat", "codellama/CodeLlama-34b-hf"] as const;

test("through nginx every request reaches the server of its model, streams included", { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "troupe-nginx-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const [first, second, front] = await freePorts();
  const ports = [first, second];
  const all_models = Object.fromEntries(MODELS.map((model, i) => [`http://127.0.0.1:${ports[i]}`, model]));
  const flags = (index: 0 | 1): string[] => {
    const file = join(folder, `${index}.json`);
    writeFileSync(file, JSON.stringify(serviceConfig(MODELS[index], all_models)));
    return ["--config", file, "--host", "127.0.0.1", "--port", String(ports[index])];
  };
  await using one = await startServerProcess(flags(0));
  await using other = await startServerProcess(flags(1));
  assert.notEqual(one.url, other.url);
  await using _nginx = await startNginx(t.signal, folder, ports, front);

  const client = new OpenAI({ baseURL: `http://127.0.0.1:${front}/v1`, apiKey: "none" });
  // Four of each: nginx takes turns, so each server gets requests for the other's model.
  for (const model of [...MODELS, ...MODELS, ...MODELS, ...MODELS]) {
    const request = { model, prompt: "Once upon a time", max_tokens: 8, temperature: 0 };
    const whole = await client.completions.create(request);
    assert.equal(whole.model, model);
    let streamed = "";
    for await (const chunk of await client.completions.create({ ...request, stream: true })) {
      assert.equal(chunk.model, model);
      streamed += chunk.choices[0]?.text ?? "";
    }
    assert.equal(streamed, whole.choices[0]?.text);
  }
  const unknown = client.completions.create({ model: "gpt2", prompt: "a" });
  await assert.rejects(unknown, (error: InstanceType<typeof OpenAI.APIError>) => error.status === 404);
  const names = (await client.models.list()).data.map(({ id }) => id);
  assert.deepEqual(names.toSorted(), [...MODELS]);
});

/** A service as br-vllm-serving's documentation configures it. */
function serviceConfig(model: string, all_models: Record<string, string>): object {
  return {
    model,
    cached_dir: join(ROOT, "models", "understudy"),
    input_name: "input_ids.1",
    output_name: "10",
    vocab_size: 2048,
    model_file: "",
    serialize_file: "",
    model_precision: "a_bf16_w_int8_kv_int8",
    build_seq: 512,
    build_batch: 12,
    distribute_param: [1, 1, 1],
    devices: [0],
    all_models,
  };
}

async function freePorts(): Promise<[number, number, number]> {
  const servers = [createServer(), createServer(), createServer()];
  for (const server of servers) await once(server.listen(0, "127.0.0.1"), "listening");
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) await once(server.close(), "close");
  return ports as [number, number, number];
}

async function startNginx(
  signal: AbortSignal,
  folder: string,
  ports: readonly number[],
  front: number,
): Promise<AsyncDisposable> {
  const file = join(folder, "nginx.conf");
  mkdirSync(join(folder, "temp"));
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `  ${name}_temp_path ${join(folder, "temp", name)};`,
  );
  // The upstream and the server are the documentation's sample; the rest keeps nginx in the foreground and in its folder.
  writeFileSync(
    file,
    `daemon off;
pid ${join(folder, "nginx.pid")};
error_log stderr crit;
worker_processes 1;
events {}
http {
  access_log off;
${paths.join("\n")}
  upstream brvllm_server {
${ports.map((port) => `      server 127.0.0.1:${port};`).join("\n")}
  }

  server {
      listen 127.0.0.1:${front};

      location /v1 {
          proxy_pass http://brvllm_server;
          proxy_set_header Host $host;
          proxy_set_header X-Real-IP $remote_addr;
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      }
  }
}
`,
  );
  const nginx = spawn(NGINX!, ["-c", file, "-p", folder, "-e", "stderr"], { stdio: "inherit" });
  await answers(`http://127.0.0.1:${front}/`, signal);
  return {
    async [Symbol.asyncDispose]() {
      const exited = once(nginx, "exit");
      nginx.kill("SIGQUIT");
      await exited;
    },
  };
}

/** Resolves when somebody answers: nginx says nowhere that it listens. */
async function answers(url: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await fetch(url, { signal });
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TypeError)) throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
