/** Checks a supervision tree at the door, so that nothing in it can fail for its spec once it runs. */
import { TroupeError } from "../errors/troupe-error.ts";
import type { ActorSpec, ChildSpec, SupervisorSpec } from "./supervisor-spec.ts";

/**
 * @returns the names of all actors and supervisors in the tree.
 * @throws TroupeError `invalid_config` for a name used twice or taken, an unknown host, a number out of range.
 */
export function checkSpec(
  spec: ChildSpec,
  isTaken: (name: string) => boolean,
  hosts: ReadonlySet<string>,
): Set<string> {
  const names = new Set<string>();
  const visit = (child: ChildSpec): void => {
    if (child.name === "" || names.has(child.name) || isTaken(child.name)) {
      throw invalid(child.name, `the name is empty or in use`, { path: "name", value: child.name });
    }
    names.add(child.name);
    if (child.kind === "supervisor") {
      checkSupervisor(child);
      for (const grandchild of child.children) visit(grandchild);
    } else {
      checkActor(child, hosts);
    }
  };
  visit(spec);
  return names;
}

function checkActor(spec: ActorSpec, hosts: ReadonlySet<string>): void {
  const { host = "inline", initTimeoutMs = 1, stopTimeoutMs = 1 } = spec;
  if (!hosts.has(host)) {
    throw invalid(spec.name, `there is no host "${host}", only ${[...hosts].join(", ")}`, {
      path: "host",
      value: host,
    });
  }
  requireNumber(spec.name, "initTimeoutMs", initTimeoutMs, 1);
  requireNumber(spec.name, "stopTimeoutMs", stopTimeoutMs, 0);
}

function checkSupervisor({ name, intensity, backoff }: SupervisorSpec): void {
  if (intensity !== undefined) {
    requireNumber(name, "intensity.maxRestarts", intensity.maxRestarts, 0);
    requireNumber(name, "intensity.windowMs", intensity.windowMs, 1);
  }
  if (backoff !== undefined) {
    requireNumber(name, "backoff.minMs", backoff.minMs, 0);
    requireNumber(name, "backoff.maxMs", backoff.maxMs, backoff.minMs);
    requireNumber(name, "backoff.jitter", backoff.jitter, 0, 1);
  }
}

/** The largest delay of a Node timer. */
const MAX_NUMBER = 2 ** 31 - 1;

function requireNumber(name: string, path: string, value: number, min: number, max = MAX_NUMBER): void {
  if (value >= min && value <= max) return;
  throw invalid(name, `${path} is ${value}; it must be from ${min} to ${max}`, { path, value, min, max });
}

function invalid(name: string, problem: string, details: Readonly<Record<string, unknown>>): TroupeError {
  return new TroupeError("invalid_config", `Spec of "${name}": ${problem}.`, { details });
}
