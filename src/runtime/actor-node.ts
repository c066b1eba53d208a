/**
 * One thread's part of an actor system: knows who runs where, receives for the actors that live here, and settles the
 * calls made here. Node 0 is the system's own thread; every other node hosts one actor.
 */
import type { Clock } from "../core/clock.ts";
import { decodeError, type EncodedError } from "../errors/error-codec.ts";
import { invariant, type TroupeError } from "../errors/troupe-error.ts";
import type { ActorCell, CellHome } from "./actor-cell.ts";
import type { DeadLetterReason } from "./actor-events.ts";
import {
  type ActorRef,
  type AnyActorRef,
  actorRef,
  type Down,
  type DownReason,
  type GroupChange,
  type LogLevel,
  type LogRecord,
  type Protocol,
  type Watch,
} from "./actor-types.ts";
import { type CallScope, ROOT_SCOPE } from "./call-scope.ts";
import { Directory, type Located } from "./directory.ts";
import { decodeDownReason, downError } from "./down-reason.ts";
import { type DirectoryEntry, type Envelope, OP, type RequestEnvelope } from "./envelope.ts";
import type { Peer } from "./inbound-call.ts";
import type { Link } from "./link.ts";
import { type MessengerHome, NodeMessenger } from "./node-messenger.ts";
import { NodeServices, type ServeRequest } from "./node-services.ts";
import { OutboundCalls } from "./outbound-call.ts";
import { RunQueue } from "./run-queue.ts";
import type { SystemRequest } from "./system-requests.ts";
import { UnresolvedSends } from "./unresolved-sends.ts";

/** The node of the system's own thread. */
export const SYSTEM_NODE = 0;

/** What a node needs of the place it runs in. */
export interface ActorNodeOptions {
  readonly nodeId: number;
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly log: (record: LogRecord) => void;
  readonly onDeadLetter: (actor: string, kind: string, reason: DeadLetterReason, count: number) => void;
  /** Makes a link of what the system's thread sends for one. */
  readonly linkOf: (port: unknown) => Link;
  /** Given to the system's own thread. */
  readonly serve?: ServeRequest;
}

export class ActorNode implements CellHome, MessengerHome {
  readonly nodeId: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly runQueue = new RunQueue();
  readonly directory = new Directory();
  readonly calls = new OutboundCalls();
  readonly unresolved: UnresolvedSends | null;
  readonly messenger: NodeMessenger;
  readonly services: NodeServices;
  readonly #options: ActorNodeOptions;
  readonly #cells = new Map<number, ActorCell>();
  readonly #early = new Map<number, { readonly envelope: RequestEnvelope; readonly peer: Peer }[]>();
  readonly #peers = new Map<number, Peer>();
  #closedBy: TroupeError | null = null;

  constructor(options: ActorNodeOptions) {
    this.nodeId = options.nodeId;
    this.clock = options.clock;
    this.random = options.random;
    this.#options = options;
    this.unresolved =
      options.nodeId === SYSTEM_NODE
        ? null
        : new UnresolvedSends((syncId) => this.linkTo(SYSTEM_NODE)?.post([OP.sync, syncId]));
    this.messenger = new NodeMessenger(this, ROOT_SCOPE);
    this.services = new NodeServices({
      directory: this.directory,
      serve: options.serve ?? null,
      systemLink: () => this.linkTo(SYSTEM_NODE),
      broadcast: (envelope) => this.broadcast(envelope),
    });
    this.#addLoopback();
  }

  /** Messages between actors of one thread take the same path, without a port. */
  #addLoopback(): void {
    const link: Link = {
      post: (envelope) => this.#receive(envelope, peer),
      listen: () => undefined,
      drain: () => undefined,
      close: () => undefined,
    };
    const peer: Peer = { nodeId: this.nodeId, link, inbound: new Map() };
    this.#peers.set(this.nodeId, peer);
  }

  /** Connects another thread. */
  addPeer(nodeId: number, link: Link): void {
    const peer: Peer = { nodeId, link, inbound: new Map() };
    this.#peers.set(nodeId, peer);
    link.listen((envelope) => {
      this.#receive(envelope, peer);
      this.runQueue.flush();
    });
  }

  /** Takes what a thread has sent before it ended, then forgets it and cancels what it waits for here. */
  removePeer(nodeId: number): void {
    const peer = this.#peers.get(nodeId);
    if (peer === undefined) return;
    peer.link.drain();
    this.#peers.delete(nodeId);
    peer.link.close();
    for (const call of [...peer.inbound.values()]) call.cancel();
  }

  /** Other threads that are connected. */
  peerIds(): number[] {
    return [...this.#peers.keys()].filter((nodeId) => nodeId !== this.nodeId);
  }

  linkTo(nodeId: number): Link | undefined {
    return this.#peers.get(nodeId)?.link;
  }

  /** To every other thread. */
  broadcast(envelope: Envelope): void {
    for (const nodeId of this.peerIds()) this.linkTo(nodeId)?.post(envelope);
  }

  messengerWithin(scope: CallScope): NodeMessenger {
    return scope === ROOT_SCOPE ? this.messenger : this.messenger.within(scope);
  }

  lookup<P extends Protocol>(name: string): ActorRef<P> | null {
    const found = this.directory.find(name);
    return found === undefined || found === "down" ? null : actorRef(name);
  }

  members<P extends Protocol>(group: string): readonly ActorRef<P>[] {
    return this.services.groups.members(group);
  }

  request(address: number, request: SystemRequest): Promise<void> {
    return this.services.request(address, request);
  }

  setMember(group: string, address: number, isMember: boolean): void {
    this.services.setMember(group, address, isMember);
  }

  watchGroup(group: string, onChange: (change: GroupChange) => void): Watch {
    return this.services.watchGroup(group, onChange);
  }

  /** Keeps what is sent to `address` until `addCell`: an actor is announced before its module is loaded. */
  expectCell(address: number): void {
    this.#early.set(address, []);
  }

  /** The cell receives what is sent to `address`, until `actorDown`. */
  addCell(address: number, cell: ActorCell): void {
    this.#cells.set(address, cell);
    for (const { envelope, peer } of this.#early.get(address) ?? []) cell.accept(envelope, peer);
    this.#early.delete(address);
  }

  actorUp(entry: DirectoryEntry): void {
    this.directory.up(entry);
    this.unresolved?.release(entry.name);
  }

  /** An incarnation is no more: settles calls to it and fires its watches, after everything it had sent. */
  actorDown(address: number, reason: DownReason): void {
    const located = this.directory.findAddress(address);
    if (located === undefined) return;
    const { entry } = located;
    if (entry.nodeId !== SYSTEM_NODE && entry.nodeId !== this.nodeId) this.removePeer(entry.nodeId);
    this.directory.down(address);
    this.#cells.delete(address);
    this.#early.delete(address);
    this.calls.lose(address, () => downError(entry.name, reason));
    this.services.groups.leaveAll(address);
    for (const notify of [...located.watchers]) notify(reason);
  }

  /** Fails every open call and every later one. */
  close(error: TroupeError): void {
    this.#closedBy = error;
    this.calls.loseAll(error);
  }

  closedBy(): TroupeError | null {
    return this.#closedBy;
  }

  watch(ref: AnyActorRef, onDown: (down: Down) => void): Watch {
    let unwatch = (): void => undefined;
    let isOver = false;
    const give = (incarnation: number, reason: DownReason): void => {
      if (isOver) return;
      isOver = true;
      unwatch();
      onDown({ ref: { actor: ref.actor }, incarnation, reason });
    };
    const begin = (): void => {
      const found = this.directory.find(ref.actor);
      if (found === undefined || found === "down") queueMicrotask(() => give(0, { kind: "not-running" }));
      else if (!isOver) unwatch = addWatcher(found, (reason) => give(found.entry.incarnation, reason));
    };
    const mustWait = this.unresolved !== null && this.directory.find(ref.actor) === undefined;
    if (!mustWait || this.unresolved?.add(ref.actor, begin) !== true) begin();
    return {
      cancel: () => {
        isOver = true;
        unwatch();
      },
    };
  }

  forget(callId: number): void {
    this.calls.forget(callId);
  }

  cancel(callId: number, address: number | null): void {
    this.#linkToAddress(address)?.post([OP.cancel, callId]);
  }

  credit(callId: number, address: number | null, numItems: number): void {
    this.#linkToAddress(address)?.post([OP.credit, callId, numItems]);
  }

  #linkToAddress(address: number | null): Link | undefined {
    const located = address === null ? undefined : this.directory.findAddress(address);
    return located === undefined ? undefined : this.linkTo(located.entry.nodeId);
  }

  deadLetter(actor: string, kind: string, reason: DeadLetterReason, count = 1): void {
    this.#options.onDeadLetter(actor, kind, reason, count);
  }

  log(level: LogLevel, actor: string, message: string, fields: Readonly<Record<string, unknown>>): void {
    this.#options.log({ level, actor, message, fields });
  }

  #receive(envelope: Envelope, peer: Peer): void {
    switch (envelope[0]) {
      case OP.tell:
      case OP.ask:
      case OP.open:
        this.#deliver(envelope as RequestEnvelope, peer);
        return;
      case OP.reply:
        this.calls.get(envelope[1])?.reply(envelope[2]);
        return;
      case OP.fail:
        this.calls.get(envelope[1])?.fail(decodeError(envelope[2] as EncodedError));
        return;
      case OP.item:
        this.calls.get(envelope[1])?.item(envelope[2] as number, envelope[3]);
        return;
      case OP.end:
        this.calls.get(envelope[1])?.end(envelope[2] as number);
        return;
      case OP.cancel:
        peer.inbound.get(envelope[1])?.cancel();
        return;
      case OP.credit:
        peer.inbound.get(envelope[1])?.onCredit?.(envelope[2] as number);
        return;
      default:
        this.#receiveSystem(envelope, peer);
    }
  }

  /** To an address that is down: it was counted as a dead letter, and its caller told, when the actor went down. */
  #deliver(envelope: RequestEnvelope, peer: Peer): void {
    const cell = this.#cells.get(envelope[1]);
    if (cell !== undefined) cell.accept(envelope, peer);
    else this.#early.get(envelope[1])?.push({ envelope, peer });
  }

  #receiveSystem(envelope: Envelope, peer: Peer): void {
    if (this.services.receive(envelope, peer.link)) return;
    switch (envelope[0]) {
      case OP.up:
        this.actorUp(envelope[1]);
        return;
      case OP.down:
        this.actorDown(envelope[1], decodeDownReason(envelope[2]));
        return;
      case OP.forget:
        this.directory.forget(envelope[1]);
        return;
      case OP.peer:
        this.addPeer(envelope[1], this.#options.linkOf(envelope[2]));
        return;
      case OP.sync:
        peer.link.post([OP.synced, envelope[1]]);
        return;
      case OP.synced:
        this.unresolved?.synced(envelope[1]);
        return;
      case OP.deadLetters:
        this.#options.onDeadLetter(envelope[1], envelope[2], envelope[3], envelope[4]);
        return;
      case OP.log:
        this.#options.log(envelope[1]);
        return;
      default:
        invariant(false, `an envelope with the unknown operation ${envelope[0]}`);
    }
  }
}

function addWatcher(located: Located, notify: (reason: DownReason) => void): () => void {
  located.watchers.add(notify);
  return () => void located.watchers.delete(notify);
}
