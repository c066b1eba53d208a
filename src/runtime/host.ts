/** Where actors run. A host starts one incarnation at a time and says when nothing of it runs any more. */
import type { AnyActorDefinition } from "./actor-definition.ts";
import type { ActorNode } from "./actor-node.ts";
import type { DownReason } from "./actor-types.ts";
import type { SharedMailbox } from "./shared-mailbox.ts";

/** Everything a host needs to start an incarnation. */
export interface StartRequest {
  readonly name: string;
  readonly incarnation: number;
  /** Messages to this number are for this incarnation. */
  readonly address: number;
  readonly module: URL | AnyActorDefinition;
  readonly args: unknown;
  readonly mailbox: SharedMailbox;
  /** A number that no other thread of the system has had. */
  readonly nextNodeId: () => number;
  /** The system's own node. */
  readonly node: ActorNode;
}

/** A started incarnation. */
export interface HostedActor {
  /** The node it lives on. */
  readonly nodeId: number;
  /** Init is done; rejects with why it will never be. */
  readonly ready: Promise<void>;
  /** Nothing of it runs any more and its thread, if it had one, is gone. Never rejects. */
  readonly ended: Promise<DownReason>;
  /** Asks it to end after the handler that runs now; never interrupts anything. Idempotent. */
  stop(reason: DownReason): void;
  /** Gives up waiting for it: it may run on, but holds no handle on the process. */
  abandon(): void;
}

/** A kind of place to run actors in. */
export interface Host {
  readonly name: string;
  /**
   * Begins to start an incarnation and connects its node, before returning.
   *
   * @throws TroupeError when it cannot even begin (a definition where a URL is needed, arguments that cannot be cloned).
   */
  start(request: StartRequest): HostedActor;
}
