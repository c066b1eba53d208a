/** One thread's node with links made by hand: every message waits until the test delivers it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../../src/core/manual-clock.ts";
import { ActorNode } from "../../src/runtime/actor-node.ts";
import { actorRef, type Down } from "../../src/runtime/actor-types.ts";
import { type DirectoryEntry, type Envelope, OP } from "../../src/runtime/envelope.ts";
import type { Link } from "../../src/runtime/link.ts";
import { SharedMailbox } from "../../src/runtime/shared-mailbox.ts";
import { coded } from "./runtime-harness.ts";

type EchoProtocol = {
  note: { message: number };
  echo: { message: number; reply: number };
  follow: { message: null; item: number };
};

class HandLink implements Link {
  readonly sent: Envelope[] = [];
  readonly waiting: Envelope[] = [];
  isClosed = false;
  #onEnvelope: (envelope: Envelope) => void = () => undefined;

  post(envelope: Envelope): void {
    this.sent.push(envelope);
  }
  listen(onEnvelope: (envelope: Envelope) => void): void {
    this.#onEnvelope = onEnvelope;
  }
  deliver(envelope: Envelope): void {
    this.#onEnvelope(envelope);
  }
  drain(): void {
    for (const envelope of this.waiting.splice(0)) this.deliver(envelope);
  }
  close(): void {
    this.isClosed = true;
  }
}

function workerNode(): {
  node: ActorNode;
  main: HandLink;
  other: HandLink;
  clock: ManualClock;
  letters: string[];
} {
  const clock = new ManualClock();
  const letters: string[] = [];
  const node = new ActorNode({
    nodeId: 1,
    clock,
    random: () => 0.5,
    log: () => undefined,
    onDeadLetter: (actor, kind, reason) => letters.push(`${actor}.${kind} ${reason}`),
    linkOf: () => new HandLink(),
  });
  const [main, other] = [new HandLink(), new HandLink()];
  node.addPeer(0, main);
  node.addPeer(2, other);
  return { node, main, other, clock, letters };
}

function entry(name: string, address: number, nodeId = 2): DirectoryEntry {
  return { name, incarnation: address, address, nodeId, mailbox: SharedMailbox.create().share };
}

const echo = actorRef<EchoProtocol>("echo");

test("sends to a name not announced yet wait, in order, and go out when it is", () => {
  const { node, main, other } = workerNode();
  for (const n of [1, 2]) assert.equal(node.messenger.tell(echo, "note", n), true);
  void node.messenger.ask(echo, "echo", 3).catch(() => undefined);
  assert.deepEqual(main.sent, [[OP.sync, 1]]);
  assert.deepEqual(other.sent, []);
  main.deliver([OP.up, entry("echo", 7)]);
  node.messenger.tell(echo, "note", 4);
  assert.deepEqual(
    other.sent.map((envelope) => [envelope[0], envelope[3]]),
    [
      [OP.tell, 1],
      [OP.tell, 2],
      [OP.ask, 3],
      [OP.tell, 4],
    ],
  );
});

test("a name that the system does not know either is not found", async () => {
  const { node, main, letters } = workerNode();
  node.messenger.tell(echo, "note", 1);
  const ask = node.messenger.ask(echo, "echo", 2);
  main.deliver([OP.synced, 1]);
  await assert.rejects(ask, coded("actor_not_found"));
  assert.deepEqual(letters, ["echo.note actor-not-found"]);
});

test("an ask that meets its deadline while it waits to be sent is not sent any more", async () => {
  const { node, main, other, clock } = workerNode();
  const ask = node.messenger.ask(echo, "echo", 2, { deadlineMs: 10 });
  clock.advance(10);
  await assert.rejects(ask, coded("deadline_exceeded"));
  main.deliver([OP.up, entry("echo", 7)]);
  assert.deepEqual(other.sent, []);
});

test("sends that wait for a name are bounded", async () => {
  const { node, letters } = workerNode();
  for (let n = 0; n < 1024; n++) node.messenger.tell(echo, "note", n);
  assert.equal(node.messenger.tell(echo, "note", 1024), false);
  assert.deepEqual(letters, ["echo.note mailbox-full"]);
  await assert.rejects(node.messenger.ask(echo, "echo", 1), coded("mailbox_full"));
});

test("what a dead thread sent before its end is heard before its Down", async () => {
  const { node, main, other } = workerNode();
  main.deliver([OP.up, entry("echo", 7)]);
  const answered = node.messenger.ask(echo, "echo", 1);
  const lost = node.messenger.ask(echo, "echo", 2);
  const downs: Down[] = [];
  node.watch(echo, (down) => downs.push(down));
  other.waiting.push([OP.reply, 1, "in time"] as never);
  main.deliver([OP.down, 7, { kind: "normal" }]);
  assert.equal(await answered, "in time");
  await assert.rejects(lost, coded("actor_down"));
  assert.equal(other.isClosed, true);
  assert.deepEqual(downs, [{ ref: { actor: "echo" }, incarnation: 7, reason: { kind: "normal" } }]);
});

test("after a Down the name is down until the next incarnation, which has another address", async () => {
  const { node, main, letters } = workerNode();
  main.deliver([OP.up, entry("echo", 7)]);
  main.deliver([OP.down, 7, { kind: "normal" }]);
  assert.equal(node.messenger.tell(echo, "note", 1), false);
  await assert.rejects(node.messenger.ask(echo, "echo", 1), coded("actor_down"));
  const [link, next] = [new HandLink(), entry("echo", 8, 3)];
  node.addPeer(3, link);
  main.deliver([OP.up, next]);
  node.messenger.tell(echo, "note", 2);
  assert.deepEqual(link.sent[0]?.slice(0, 4), [OP.tell, 8, "note", 2]);
  assert.deepEqual(letters, ["echo.note actor-down"]);
  main.deliver([OP.down, 8, { kind: "stopped" }]);
  main.deliver([OP.forget, "echo"]);
  assert.equal(node.directory.find("echo"), undefined);
});

for (const [what, sequence] of [
  ["lost", 2],
  ["repeated", 0],
] as const) {
  test(`a ${what} item breaks the stream and cancels the producer`, async () => {
    const { node, main, other } = workerNode();
    main.deliver([OP.up, entry("echo", 7)]);
    const iterator = node.messenger.stream(echo, "follow", null, { window: 2 })[Symbol.asyncIterator]();
    other.deliver([OP.item, 1, 0, "a"]);
    assert.equal((await iterator.next()).value, "a");
    other.deliver([OP.item, 1, sequence, "b"]);
    await assert.rejects(iterator.next(), coded("stream_broken"));
    assert.deepEqual(other.sent.slice(1), [
      [OP.credit, 1, 1],
      [OP.cancel, 1],
    ]);
    assert.equal(node.calls.size, 0);
  });
}

test("a stream that ends early by its numbers is broken", async () => {
  const { node, main, other } = workerNode();
  main.deliver([OP.up, entry("echo", 7)]);
  const iterator = node.messenger.stream(echo, "follow", null)[Symbol.asyncIterator]();
  other.deliver([OP.item, 1, 0, "a"]);
  other.deliver([OP.end, 1, 2]);
  await assert.rejects(async () => {
    await iterator.next();
    await iterator.next();
  }, coded("stream_broken"));
});

test("answers nobody waits for and messages to addresses long gone are ignored", () => {
  const { other } = workerNode();
  other.deliver([OP.reply, 99, "late"]);
  other.deliver([OP.item, 99, 0, "late"]);
  other.deliver([OP.cancel, 99]);
  other.deliver([OP.tell, 5, "note", 1, 8, null]);
  other.deliver([OP.ask, 5, "echo", 1, 8, null, 1, 1000]);
});
