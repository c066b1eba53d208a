import assert from "node:assert/strict";
import { test } from "node:test";
import { PROGRAM, runCli } from "../../src/cli/run-cli.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { fakeRun } from "./fake-context.ts";

async function runWith(...args: string[]) {
  const run = fakeRun({ args });
  const code = await runCli(run.context);
  return { code, out: run.out(), err: run.err() };
}

test("--help lists the commands with an example and exits 0", async () => {
  const { code, out } = await runWith("--help");
  assert.equal(code, 0);
  for (const { name, summary } of PROGRAM.commands)
    assert.match(out, new RegExp(`\\b${name}\\b.*${summary}`));
  assert.match(out, /Examples:\n {2}troupe serve/);
});

for (const command of PROGRAM.commands) {
  test(`${command.name} --help explains every flag and shows examples`, async () => {
    const { code, out } = await runWith(command.name, "--help");
    assert.equal(code, 0);
    for (const { flags } of command.flags) assert.ok(out.includes(flags), `${flags} is not in the help`);
    for (const { line } of command.examples) assert.ok(out.includes(line));
    assert.equal((await runWith("help", command.name)).out, out);
  });
}

test("--version prints it", async () => {
  assert.deepEqual(await runWith("--version"), { code: 0, out: "1.2.3\n", err: "" });
});

for (const [args, code, message] of [
  [[], 2, /Usage: troupe/],
  [["serv"], 2, /unknown command 'serv'\n\(Did you mean serve\?\)/],
  [
    ["serve", "--prot", "1"],
    2,
    /unknown option '--prot'\n\(Did you mean --port\?\)[\s\S]*troupe serve --help/,
  ],
  [["serve", "--port", "abc"], 2, /'--port <n>' argument 'abc' is invalid\. It must be a number/],
  [
    ["serve", "--precision", "w3"],
    2,
    /argument 'w3' is invalid\. Allowed choices are fp32, w8, w4, w4g128, bf16/,
  ],
  [["serve", "extra"], 2, /too many arguments/],
  [["serve", "--port", "99999"], 1, /^troupe: --port must be at most 65535 \(got 99999\)\n$/],
  [
    ["serve", "--max-num-batched-tokens", "1"],
    1,
    /^troupe: --max-num-batched-tokens must be at least engine\.maxNumSeqs \(32\)/,
  ],
  [
    ["serve", "--max-num-seqs", "500"],
    1,
    /^troupe: configuration: "engine\.maxNumBatchedTokens": must be at least/,
  ],
  [["serve", "--config", "none.yaml"], 1, /^troupe: The configuration file none\.yaml does not exist\.\n$/],
  [["inspect"], 1, /^troupe: config\.json is missing\n$/],
] as const) {
  test(`troupe ${args.join(" ")} explains what is wrong`, async () => {
    const result = await runWith(...args);
    assert.equal(result.code, code);
    assert.match(result.err, message);
    assert.equal(result.out, "");
  });
}

test("a stack is shown only with --log-level debug, causes included", async () => {
  const services = {
    startEngine: async () => {
      throw new TroupeError("invalid_model", "No weights.", { cause: new RangeError("deeper") });
    },
  };
  const plain = fakeRun({ args: ["serve"], services });
  assert.equal(await runCli(plain.context), 1);
  assert.equal(plain.err(), "troupe: No weights.\n");
  const debug = fakeRun({ args: ["serve", "--log-level", "debug"], services });
  assert.equal(await runCli(debug.context), 1);
  assert.match(
    debug.err(),
    /^troupe: No weights\.\nTroupeError: No weights\.\n {4}at [\s\S]*caused by RangeError: deeper/,
  );
});

test("an unexpected failure is told as a bug, in one line", async () => {
  const services = { startEngine: () => Promise.reject(new TypeError("x is not\n a function")) };
  const run = fakeRun({ args: ["serve"], services });
  assert.equal(await runCli(run.context), 1);
  assert.equal(run.err(), "troupe: x is not a function (a bug in Troupe; --log-level debug shows where)\n");
});
