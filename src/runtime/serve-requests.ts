/** The system's side of what actors ask of it: finds who asks, checks, and hands on to who supervises. */
import { decodeError } from "../errors/error-codec.ts";
import { TroupeError, toTroupeError } from "../errors/troupe-error.ts";
import type { SupervisedActor } from "./supervised-actor.ts";
import type { ActorSpec, ChildSpec } from "./supervisor-spec.ts";
import type { SpawnedSpec, SystemRequest } from "./system-requests.ts";

/** What serving needs of the system. */
export interface RequestOffice {
  /** Every supervised actor, children of actors too. */
  actors(): Iterable<SupervisedActor>;
  /** Checks a spec and takes its names. @throws TroupeError `invalid_config`, `system_stopped`. */
  reserve(spec: ChildSpec): void;
}

/** @throws TroupeError as `ActorContext.spawn`, `stopChild` and `fail` say. */
export async function serveRequest(
  office: RequestOffice,
  address: number,
  request: SystemRequest,
): Promise<void> {
  if (request.kind === "fail") {
    failActor(office, request.name, toTroupeError(decodeError(request.error)));
    return;
  }
  const parent = find(office, (actor) => actor.address === address);
  if (parent === undefined) throw new TroupeError("actor_down", "The actor that asked is down.");
  if (request.kind === "stopChild") {
    await parent.stopChild(request.name);
    return;
  }
  const spec = toSpec(request.spec);
  office.reserve(spec);
  await parent.spawnChild(spec);
}

/** @throws TroupeError `actor_not_found` when nothing runs under that name. */
export function failActor(office: RequestOffice, name: string, error: TroupeError): void {
  const actor = find(office, (candidate) => candidate.name === name);
  if (actor === undefined || !actor.fail(error)) {
    throw new TroupeError("actor_not_found", `No actor "${name}" runs that could be failed.`);
  }
}

function find(office: RequestOffice, fits: (actor: SupervisedActor) => boolean): SupervisedActor | undefined {
  for (const actor of office.actors()) if (fits(actor)) return actor;
  return undefined;
}

function toSpec({ module, ...spec }: SpawnedSpec): ActorSpec {
  return { ...spec, module: typeof module === "string" ? new URL(module) : module };
}
