/** Gets the definition of an actor from wherever it is given. */
import { TroupeError } from "../errors/troupe-error.ts";
import type { AnyActorDefinition } from "../runtime/actor-definition.ts";
import type { ErasedDefinition } from "../runtime/actor-turns.ts";

/** @throws TroupeError `actor_init_failed` when the module cannot be loaded or exports no definition. */
export async function loadDefinition(module: URL | string | AnyActorDefinition): Promise<ErasedDefinition> {
  if (typeof module === "object" && !(module instanceof URL)) return checked(module, "The definition");
  const url = String(module);
  let loaded: { readonly default?: unknown };
  try {
    loaded = (await import(url)) as { readonly default?: unknown };
  } catch (cause) {
    throw new TroupeError("actor_init_failed", `The actor module ${url} cannot be loaded.`, { cause });
  }
  return checked(loaded.default, `The default export of ${url}`);
}

/** The one place where a definition loses its types: messages were checked where they were sent. */
function checked(value: unknown, what: string): ErasedDefinition {
  const candidate = value as Partial<ErasedDefinition> | null | undefined;
  if (typeof candidate?.init !== "function" || typeof candidate.handlers !== "object") {
    throw new TroupeError("actor_init_failed", `${what} is no actor definition; make it with defineActor().`);
  }
  const { concurrency = 1 } = candidate;
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new TroupeError(
      "actor_init_failed",
      `${what}: concurrency is ${concurrency}; it must be at least 1.`,
    );
  }
  return candidate as ErasedDefinition;
}
