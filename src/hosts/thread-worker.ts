/**
 * The side of a thread host that runs in the worker: one node with one actor. It never exits by force: when the actor
 * has ended it says so, and when it is told to leave it closes its ports, after which the thread has nothing to do.
 */
import type { MessagePort } from "node:worker_threads";
import { systemClock } from "../core/clock.ts";
import { toPlainData } from "../errors/plain-data.ts";
import { TroupeError, toTroupeError } from "../errors/troupe-error.ts";
import { ActorCell } from "../runtime/actor-cell.ts";
import { ActorNode, SYSTEM_NODE } from "../runtime/actor-node.ts";
import type { LogRecord } from "../runtime/actor-types.ts";
import { decodeDownReason, encodeDownReason } from "../runtime/down-reason.ts";
import { type EncodedDownReason, OP } from "../runtime/envelope.ts";
import { SharedMailbox } from "../runtime/shared-mailbox.ts";
import { DeadLetterRelay } from "./dead-letter-relay.ts";
import { loadDefinition } from "./load-definition.ts";
import { PortLink } from "./port-link.ts";
import type { InitRequest, ThreadControl } from "./thread-control.ts";

export class ThreadWorker implements ThreadControl {
  readonly #control: MessagePort;
  readonly #deadLetters = new DeadLetterRelay(() => this.#node?.linkTo(SYSTEM_NODE));
  readonly #ended: Promise<EncodedDownReason>;
  #resolveEnded!: (reason: EncodedDownReason) => void;
  #node: ActorNode | null = null;
  #cell: ActorCell | null = null;
  #stopReason: EncodedDownReason | null = null;

  constructor(control: MessagePort) {
    this.#control = control;
    this.#ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  async init(request: InitRequest): Promise<void> {
    const cell = await this.#makeCell(request);
    try {
      await cell.start(request.args);
    } catch (error) {
      throw toTroupeError(error);
    }
  }

  /** Routes are opened last: from then on messages come in, and must find the cell. */
  async #makeCell(request: InitRequest): Promise<ActorCell> {
    const { name, incarnation, address } = request;
    let cell: ActorCell;
    const node = this.#makeNode(request.nodeId);
    try {
      const definition = await loadDefinition(request.moduleUrl);
      cell = new ActorCell(
        definition,
        { name, incarnation, address, mailbox: new SharedMailbox(request.mailbox) },
        node,
      );
    } catch (error) {
      this.crash(error);
      throw toTroupeError(error);
    }
    if (this.#stopReason !== null) {
      throw new TroupeError("actor_down", `${name} was stopped before it started.`);
    }
    this.#node = node;
    this.#cell = cell;
    cell.ended.then((reason) => this.#resolveEnded(encodeDownReason(reason)));
    node.addCell(address, cell);
    for (const { nodeId, port } of request.peers) node.addPeer(nodeId, new PortLink(port));
    for (const entry of request.entries) node.actorUp(entry);
    for (const down of request.downNames) node.directory.markDown(down);
    for (const { group, address } of request.memberships) node.services.apply(group, address, true);
    return cell;
  }

  #makeNode(nodeId: number): ActorNode {
    return new ActorNode({
      nodeId,
      clock: systemClock,
      random: Math.random,
      log: (record) => this.#log(record),
      onDeadLetter: (actor, kind, reason, count) => this.#deadLetters.add(actor, kind, reason, count),
      linkOf: (port) => new PortLink(port as MessagePort),
    });
  }

  #log(record: LogRecord): void {
    const fields = toPlainData(record.fields) as LogRecord["fields"];
    this.#node?.linkTo(SYSTEM_NODE)?.post([OP.log, { ...record, fields }]);
  }

  stop(reason: EncodedDownReason): void {
    this.#stopReason ??= reason;
    if (this.#cell !== null) this.#cell.stop(decodeDownReason(reason));
    else this.#resolveEnded(reason);
  }

  ended(): Promise<EncodedDownReason> {
    return this.#ended;
  }

  /** Something was thrown outside any handler: an uncaught exception or an unhandled rejection. */
  crash(thrown: unknown): void {
    if (this.#cell !== null) this.#cell.crash(thrown);
    else this.#resolveEnded(encodeDownReason({ kind: "crash", error: toTroupeError(thrown) }));
  }

  leave(): void {
    this.#deadLetters.flush();
    const node = this.#node;
    for (const nodeId of node?.peerIds() ?? []) node?.removePeer(nodeId);
    // After comlink has answered the call that asked for this.
    setImmediate(() => this.#control.close());
  }
}
