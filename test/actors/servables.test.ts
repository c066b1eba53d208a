import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startServables } from "../../actors/servables.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { type Tensor, tensor } from "../../src/servables/tensor.ts";
import { ServableClient } from "../../src/serving/servables/servable-client.ts";
import { folderOf } from "../servables/test-models.ts";
import { holdOn, rawBytes, rawPost, startTestServables, testModule } from "./test-servables.ts";

const row = (...elements: number[]): Tensor => tensor("float32", [elements.length], elements);
const isCode =
  (code: string, message = /./) =>
  (error: unknown): boolean =>
    error instanceof TroupeError && error.code === code && message.test(error.message);

test("three instances for a batch of two, over REST and gRPC, with every kind of stage", async (t) => {
  const { post, client } = await startTestServables(t);
  const three = [1.5, 2.5, 3.5].map((n) => ({ x1: [n, n], x2: [1.25, 0.25] }));
  assert.deepEqual(await post("test:add", three), {
    status: 200,
    body: '{"instances":[{"y":[2.75,1.75]},{"y":[3.75,2.75]},{"y":[4.75,3.75]}]}',
  });
  assert.equal(
    (await post("test:add_cast", { x1: [1, 2], x2: [3, 4] })).body,
    '{"instances":[{"y":[4.0,6.0]}]}',
  );
  const sum = await client("add_sub").infer([{ x1: row(1, 2), x2: row(3, 4), x3: row(1, 1) }]);
  assert.deepEqual(sum, [{ y: row(4, 6), sum: row(5, 7) }]);
  assert.deepEqual(await client("add_inside").infer({ x1: row(1, 2), x2: row(3, 4) }), [{ y: row(4, 6) }]);
  assert.deepEqual(
    await client("concat")
      .inferAsync([{ text1: "ä", text2: "b" }])
      .result(),
    [{ text: "äb" }],
  );
});

test("instances of clients on both wires share a run", async (t) => {
  const { running, post, client } = await startTestServables(t);
  const hold = holdOn(t, "first");
  // while the worker is held, what comes waits
  const held = client("hold").infer({ word: "first" });
  await hold.waiting;
  const scale = client("scale");
  const answers = Promise.all([
    scale.infer([{ x: row(1, 2), scale: row(2.5) }]),
    scale.infer([
      { x: row(3, 4), scale: row(2.5) },
      { x: row(5, 6), scale: row(3.5) },
    ]),
    post("test:scale", { x: [7.5, 8.5], scale: [2.5] }),
  ]);
  const metrics = async (): Promise<string> => (await fetch(`${running.restUrl}/metrics`)).text();
  while (!(await metrics()).includes("troupe:servable_requests_enqueued 4")) await Promise.resolve();
  // refused on arrival at the worker, so what was sent before has arrived too
  assert.match((await post("test:add", { x1: [1], x2: [1] })).body, /data type int32 not match/);
  hold.go();
  const [first, second, third] = await answers;
  assert.deepEqual(await held, [{ word: "first" }]);
  const three = tensor("int64", [], 3n);
  assert.deepEqual(first, [{ y: row(2.5, 5), rows: three }]);
  // another scale, which has no batch dimension, ran alone
  assert.deepEqual(second, [
    { y: row(7.5, 10), rows: three },
    { y: row(17.5, 21), rows: tensor("int64", [], 1n) },
  ]);
  assert.equal(third.body, '{"instances":[{"rows":3,"y":[18.75,21.25]}]}');
});

test("every type goes through a worker and back", async (t) => {
  const { client } = await startTestServables(t);
  const echo = client("echo");
  for (const value of [
    tensor("bool", [2], [1, 0]),
    tensor("int8", [], -1),
    tensor("uint8", [2], [1, 255]),
    tensor("uint16", [1], [65535]),
    tensor("int64", [2, 1], [-(2n ** 60n), 5n]),
    tensor("uint64", [], 2n ** 64n - 1n),
    tensor("float16", [2], [0.5, 2]),
    tensor("float64", [], 0.1),
    "text",
    new Uint8Array([0, 1, 2]),
    new Uint8Array(0),
    "",
  ])
    assert.deepEqual(await echo.infer({ value }), [{ value }]);
  assert.deepEqual(
    await echo.infer([{ value: 1 }, { value: 2n }, { value: true }, { value: new Int16Array([3, 4]) }]),
    [
      { value: tensor("float64", [], 1) },
      { value: tensor("int64", [], 2n) },
      { value: tensor("bool", [], 1) },
      { value: tensor("int16", [2], [3, 4]) },
    ],
  );
});

test("an instance that fails leaves the others alone; a request that fails says why, with status 200", async (t) => {
  const { post, client } = await startTestServables(t);
  const error = "Call Halving Failed, method: 'half', stage index(begin with 1): 1, error msg: 3 is odd";
  assert.deepEqual(await post("test:half", [{ n: 2 }, { n: 3 }, { n: 4 }]), {
    status: 200,
    body: `{"instances":[{"half":1},{"error_msg":"${error}"},{"half":2}]}`,
  });
  assert.deepEqual(await client("half").infer([2, 3].map((n) => ({ n: tensor("int32", [], n) }))), [
    { half: tensor("int32", [], 1) },
    { error },
  ]);
  for (const [path, instances, message] of [
    ["none:add", [{ x1: 1 }], "Request servable(none) method(add) , servable is not available"],
    [
      "test/version/7:add",
      [{ x1: 1 }],
      "Request servable(test) method(add)  version(7) , servable is not available",
    ],
    ["test:none", [{ x1: 1 }], "Request servable(test) method(none) , method is not available"],
    ["test", [{ x1: 1 }], "please check url, the keyword:[service method] must contain."],
    ["test:add", [{ x1: [1.5, 2.5] }], "Cannot find input x2 in instance input , servable test, method add"],
    [
      "test:add",
      [{ x1: [1, 2], x2: [1.5, 2.5] }],
      "Given model input 0 data type int32 not match the data type float32",
    ],
    ["test:add", [{ x1: [1.5], x2: [1.5, 2.5] }], "Given model input 0 size 4 not match the size 8"],
    ["test:add", "{", "Illegal JSON format."],
    ["test:add", "", "http message invalid"],
    ["test:half", [{ n: 3 }], error],
  ] as const) {
    const { status, body } = await post(path, instances);
    assert.equal(status, 200);
    const { error_msg } = JSON.parse(body) as { error_msg: string };
    assert.ok(error_msg.startsWith(message), body);
  }
  await assert.rejects(
    client("half").infer({ n: tensor("int32", [], 3) }),
    isCode("invalid_request", /3 is odd$/),
  );
  await assert.rejects(
    client("half", { version: 4 }).infer({ n: 1 }),
    isCode("invalid_request", /version\(4\)/),
  );
  await assert.rejects(
    client("add").infer([]),
    isCode("invalid_request", /count of the request cannot be 0/),
  );
});

test("other methods than POST, a message too long, and statuses for those who want them", async (t) => {
  const options = { maxMsgMbSize: 1, errorStatus: "http" } as const;
  const { running, post, client } = await startTestServables(t, { rest: options, grpc: { maxMsgMbSize: 1 } });
  assert.deepEqual(await post("test:add", { x1: "x".repeat(1024 * 1024) }), {
    status: 400,
    body: '{"error_msg":"http message is bigger than 1048576"}',
  });
  const put = await fetch(`${running.restUrl}/model/test:add`, { method: "PUT", body: "{}" });
  assert.deepEqual(
    [put.status, await put.text()],
    [400, '{"error_msg":"http message only support POST right now"}'],
  );
  assert.equal((await post("test:wrong", { x: 1 })).status, 503);
  const large = { value: new Uint8Array(2 * 1024 * 1024) };
  await assert.rejects(client("echo").infer(large), isCode("payload_too_large"));
  assert.deepEqual(await client("echo").infer({ value: "still here" }), [{ value: "still here" }]);
});

test("several versions run side by side; 0 is the newest", async (t) => {
  const servables = ["1", "2"].map((version) => ({ module: testModule(t, { version }) }));
  const { running, post, client } = await startTestServables(t, { servables });
  assert.deepEqual(
    running.servables.map(({ name, version }) => `${name} ${version}`),
    ["test 1", "test 2"],
  );
  for (const path of ["test:echo", "test/version/0:echo", "test/version/1:echo", "test/version/2:echo"]) {
    assert.equal((await post(path, { value: "x" })).body, '{"instances":[{"value":"x"}]}');
  }
  assert.deepEqual(await client("echo", { version: 1 }).infer({ value: "y" }), [{ value: "y" }]);
  const twice = { servables: [servables[0]!, servables[0]!], rest: null, grpc: null };
  await assert.rejects(startServables(twice), isCode("invalid_config", /Two servables are test, version 1/));
});

test("a worker that dies: its callers get an error, the next ones another worker, and it is started again", async (t) => {
  const { running, post } = await startTestServables(t, {
    servables: [{ module: testModule(t), numParallelWorkers: 2 }],
  });
  const hold = holdOn(t, "held");
  const held = post("test:hold", { word: "held" });
  await hold.waiting;
  // the other worker
  const gone = await post("test:leave", { code: "3" });
  assert.match(gone.body, /^\{"error_msg":"Worker servable-0\.\d failed; send the request again\."\}$/);
  hold.go();
  assert.equal((await held).body, '{"instances":[{"word":"held"}]}');
  assert.equal((await post("test:echo", { value: "x" })).body, '{"instances":[{"value":"x"}]}');
  const metrics = async (): Promise<string> => (await fetch(`${running.restUrl}/metrics`)).text();
  while (!(await metrics()).includes("troupe:servable_worker_restarts_total 1")) await Promise.resolve();
  assert.equal(running.status(), "ready");
});

test("while the only worker is started again requests wait; past its restarts they fail, and it is not ready", async (t) => {
  const { running, post, client } = await startTestServables(t, { maxRestarts: 1 });
  assert.match((await post("test:leave", { code: "1" })).body, /failed; send the request again/);
  assert.equal((await post("test:echo", { value: "x" })).body, '{"instances":[{"value":"x"}]}');
  const waiting = client("echo");
  assert.match((await post("test:leave", { code: "1" })).body, /failed; send the request again/);
  await assert.rejects(
    waiting.infer({ value: "x" }),
    isCode("not_ready", /servable is not available|is not available:/),
  );
  const ready = await fetch(`${running.restUrl}/ready`);
  assert.deepEqual([ready.status, await ready.json()], [503, { status: "test, version 1, has failed" }]);
  assert.equal((await fetch(`${running.restUrl}/health`)).status, 200);
});

test("a worker that hangs is given up and started again", async (t) => {
  const { post } = await startTestServables(t, { answerTimeoutMs: 1000 });
  const hold = holdOn(t, "hanging");
  const hanging = post("test:hold", { word: "hanging" });
  await hold.waiting;
  assert.match((await hanging).body, /gave no answer within 1000 ms; it is started again/);
  hold.go();
  assert.equal((await post("test:echo", { value: "x" })).body, '{"instances":[{"value":"x"}]}');
});

test("clients that go away leave no work behind", async (t) => {
  const { running, post, client } = await startTestServables(t);
  const hold = holdOn(t, "gone");
  const held = client("hold").infer({ word: "gone" });
  await hold.waiting;
  const body = JSON.stringify({ instances: { x: [1.5, 2.5], scale: [1.5] } });
  const leavers = Array.from({ length: 5 }, () => rawPost(running.restUrl!, "/model/test:scale", body));
  const abort = new AbortController();
  const aborted = client("scale").infer({ x: row(1, 2), scale: row(1.5) }, { signal: abort.signal });
  const late = client("scale").infer({ x: row(1, 2), scale: row(1.5) }, { deadlineMs: 200 });
  const numEnqueued = async (): Promise<string> => {
    const metrics = await (await fetch(`${running.restUrl}/metrics`)).text();
    return /^troupe:servable_requests_enqueued (\d+)$/m.exec(metrics)![1]!;
  };
  await assert.rejects(late, isCode("deadline_exceeded"));
  while ((await numEnqueued()) !== "7") await Promise.resolve();
  for (const { leave } of leavers) leave();
  abort.abort();
  await assert.rejects(aborted, isCode("cancelled"));
  while ((await numEnqueued()) !== "1") await Promise.resolve();
  hold.go();
  assert.deepEqual(await held, [{ word: "gone" }]);
  // alone in its run: nobody computes what nobody waits for, but for what the worker already had
  assert.equal(
    (await post("test:scale", { x: [1.5], scale: [2.5] })).body,
    '{"instances":[{"rows":1,"y":[3.75]}]}',
  );
});

test("stopping: new requests are refused, what runs may end, what is left is cut", async (t) => {
  for (const drainMs of [60_000, 0]) {
    const { running, client } = await startTestServables(t);
    const hold = holdOn(t, `drain ${drainMs}`);
    const echo = client("echo");
    await echo.infer({ value: "connected" });
    const held = client("hold").inferAsync({ word: `drain ${drainMs}` });
    await hold.waiting;
    const stopped = running.stop({ drainMs });
    assert.equal(running.status(), "stopping");
    await assert.rejects(echo.infer({ value: "x" }), isCode("not_ready"));
    if (drainMs > 0) hold.go();
    if (drainMs > 0) assert.deepEqual(await held.result(), [{ word: `drain ${drainMs}` }]);
    else await assert.rejects(held.result(), isCode("not_ready", /stopping/));
    hold.go();
    await stopped;
  }
});

test("a second stop cuts what the first one waits for; the answer still arrives", async (t) => {
  const { running, post } = await startTestServables(t, { grpc: null });
  const hold = holdOn(t, "cut");
  const held = post("test:hold", { word: "cut" });
  await hold.waiting;
  const stopped = running.stop({ drainMs: 60_000 });
  void running.stop();
  assert.match((await held).body, /^\{"error_msg":"The server is stopping and the time to finish is over/);
  hold.go();
  await stopped;
});

test("what no client sends is answered or dropped, others are served, and nothing of it is called a bug", async (t) => {
  const { running, post, client, log } = await startTestServables(t);
  const head = "POST /model/test:echo HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n";
  for (const url of [running.restUrl!, `http://${running.grpcAddress}`]) {
    for (const bytes of [
      "garbage\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00",
      `${head}{"inst`,
      "PRI * HTTP/2.0\r\n\r\nSM",
    ]) {
      await rawBytes(url, bytes);
    }
  }
  assert.equal((await post("test:echo", { value: "x" })).body, '{"instances":[{"value":"x"}]}');
  assert.deepEqual(await client("echo").infer({ value: "y" }), [{ value: "y" }]);
  assert.deepEqual(
    log.filter(({ level }) => level !== "info"),
    [],
  );
});

test("gRPC on a Unix socket", { skip: process.platform === "win32" }, async (t) => {
  const address = `unix:${join(fileURLToPath(folderOf(t, {})), "s.sock")}`;
  const { running, client } = await startTestServables(t, { rest: null, grpc: { address } });
  assert.deepEqual([running.restUrl, running.grpcAddress], [null, address]);
  assert.deepEqual(await client("echo").infer({ value: "x" }), [{ value: "x" }]);
});

test("TLS on both servers; with verifyClient, a client without a certificate is turned away", async (t) => {
  const file = (name: string): string =>
    fileURLToPath(new URL(`../serving/certificates/${name}`, import.meta.url));
  const tls = {
    certificate: file("server.pem"),
    privateKey: file("server.key"),
    customCa: file("ca.pem"),
    verifyClient: true,
  };
  const { running, client } = await startTestServables(t, { rest: { tls }, grpc: { tls } });
  assert.match(running.restUrl!, /^https:/);
  const known = { certificate: file("client.pem"), privateKey: file("client.key"), customCa: file("ca.pem") };
  assert.deepEqual(await client("echo", { tls: known }).infer({ value: "x" }), [{ value: "x" }]);
  const stranger = client("echo", { tls: { customCa: file("ca.pem") } });
  await assert.rejects(stranger.infer({ value: "x" }), isCode("not_ready"));
  const post = async (certificate: object): Promise<string> => {
    const options = { method: "POST", ca: readFileSync(file("ca.pem")), agent: false, ...certificate };
    const request = httpsRequest(`${running.restUrl}/model/test:echo`, options);
    request.end('{"instances": {"value": "x"}}');
    const [response] = await once(request, "response");
    return await readText(response);
  };
  const own = { cert: readFileSync(file("client.pem")), key: readFileSync(file("client.key")) };
  assert.equal(await post(own), '{"instances":[{"value":"x"}]}');
  await assert.rejects(post({}));
});

test("what cannot be started is said, and nothing is left", async (t) => {
  const module = testModule(t);
  const { running } = await startTestServables(t, { grpc: null });
  const taken = running.restUrl!.replace("http://", "");
  const off = { rest: null, grpc: null };
  for (const [options, code, message] of [
    [{ servables: [] }, "invalid_config", /"servables": must not be empty/],
    [
      { servables: [{ module, devices: ["gpu"] }] },
      "invalid_config",
      /"servables.0.devices.0": must be cpu:K/,
    ],
    [{ servables: [{ module, version: 9 }] }, "invalid_config", /has version 1; version 9 was asked for/],
    [{ servables: [{ module: "no/such/module.ts" }] }, "invalid_config", /module\.ts cannot be loaded/],
    [{ servables: [{ module }], rest: { address: taken } }, "address_in_use", /is in use/],
    [{ servables: [{ module }], grpc: { address: taken } }, "address_in_use", /gRPC cannot listen on/],
    [
      { servables: [{ module }], grpc: { address: "nonsense" } },
      "invalid_config",
      /must be host:port or unix:path/,
    ],
    [
      { servables: [{ module }], rest: { address: "127.0.0.1:0", maxMsgMbSize: 513 } },
      "invalid_config",
      /must be at most 512/,
    ],
    [
      { servables: [{ module }], grpc: { tls: { certificate: "none.pem", privateKey: "none.key" } } },
      "file_error",
      /none\.pem/,
    ],
  ] as const) {
    await assert.rejects(startServables({ ...off, ...options }), isCode(code, message));
  }
});

test("a client says what it was given wrongly, and when nobody is there", async (t) => {
  assert.throws(
    () => new ServableClient("127.0.0.1:1", "s", "m", { tls: { certificate: "a.pem" } }),
    isCode("invalid_config", /go together/),
  );
  const client = new ServableClient("127.0.0.1:1", "s", "m");
  t.after(() => client.close());
  await assert.rejects(client.infer({ x: 1 }), isCode("not_ready", /Grpc Error, 14/));
  const wrong = { x: Symbol("x") as unknown as number };
  await assert.rejects(client.infer(wrong), isCode("invalid_request", /not symbol/));
});
