/** What passes between a thread host and the entry of its workers. Types only. */
import type { MessagePort } from "node:worker_threads";
import type { DirectoryEntry, EncodedDownReason } from "../runtime/envelope.ts";
import type { Membership } from "../runtime/group-table.ts";
import type { MailboxShare } from "../runtime/shared-mailbox.ts";

/** Given to a new thread. */
export interface ThreadEntryData {
  readonly control: MessagePort;
}

/** The first call to a new thread. */
export interface InitRequest {
  readonly name: string;
  readonly incarnation: number;
  readonly address: number;
  readonly nodeId: number;
  readonly moduleUrl: string;
  readonly args: unknown;
  readonly mailbox: MailboxShare;
  /** Who runs already. */
  readonly entries: readonly DirectoryEntry[];
  /** Who is known, but down now. */
  readonly downNames: readonly string[];
  /** Who belongs to which group. */
  readonly memberships: readonly Membership[];
  /** Direct routes to the other threads; the system's own is among them. */
  readonly peers: readonly { readonly nodeId: number; readonly port: MessagePort }[];
}

/** The control channel of a worker. */
export interface ThreadControl {
  /** Loads the module and runs init. Rejects with what init threw. */
  init(request: InitRequest): Promise<void>;
  /** Asks the actor to end; `ended` tells when it has. */
  stop(reason: EncodedDownReason): void;
  /** Resolves when the actor is parked: no handler runs, onStop is done, nothing will run again. */
  ended(): Promise<EncodedDownReason>;
  /** Lets go of every port, after which the thread ends by itself. */
  leave(): void;
}
