/** Direct ports between the threads of a system: no message is relayed, so each pair of threads keeps its order. */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { type ActorNode, SYSTEM_NODE } from "../runtime/actor-node.ts";
import { OP } from "../runtime/envelope.ts";
import { PortLink } from "./port-link.ts";

/** The new thread's ends of its routes. */
export interface Routes {
  readonly peers: readonly { readonly nodeId: number; readonly port: MessagePort }[];
}

/**
 * Connects a new thread with every thread there is. The others get their ends on the same ordered link as the
 * announcement of the actor, ahead of it, so a route is always there before anyone can use it.
 */
export function joinMesh(node: ActorNode, nodeId: number): Routes {
  const peers = node.peerIds().map((otherId) => {
    const { port1, port2 } = new MessageChannel();
    node.linkTo(otherId)?.post([OP.peer, nodeId, port1], [port1]);
    return { nodeId: otherId, port: port2 };
  });
  const { port1, port2 } = new MessageChannel();
  node.addPeer(nodeId, new PortLink(port1));
  return { peers: [...peers, { nodeId: SYSTEM_NODE, port: port2 }] };
}
