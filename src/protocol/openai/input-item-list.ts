/** `GET /v1/responses/{id}/input_items`: one page of what a request brought. */
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { InputItem } from "./response-items.ts";

const MAX_LIMIT = 100;
const DEFAULT_LIMIT = 20;

/** Numbers come as text; `include` is of no effect, because nothing is left out. */
const querySchema = z.strictObject({
  after: z.string().optional(),
  limit: z
    .string()
    .regex(/^\d{1,3}$/, `expected a number from 1 to ${MAX_LIMIT}`)
    .optional(),
  order: z.enum(["asc", "desc"]).optional(),
  include: z.unknown().optional(),
  "include[]": z.unknown().optional(),
});

/** A page on the wire. */
export interface InputItemList {
  readonly object: "list";
  readonly data: readonly InputItem[];
  readonly first_id: string | null;
  readonly last_id: string | null;
  readonly has_more: boolean;
}

/**
 * @param items oldest first; a page shows the newest first unless the query says otherwise.
 * @throws TroupeError `invalid_request` naming the part of the query.
 */
export function toInputItemList(items: readonly InputItem[], query: unknown): InputItemList {
  const { after, limit, order } = parse(querySchema, query, { code: "invalid_request", what: "query" });
  const size = limit === undefined ? DEFAULT_LIMIT : Number(limit);
  if (size < 1 || size > MAX_LIMIT)
    throw invalid("limit", `expected a number from 1 to ${MAX_LIMIT} (got ${size})`);
  const ordered = order === "asc" ? items : items.toReversed();
  const start = after === undefined ? 0 : ordered.findIndex((item) => item.id === after) + 1;
  if (after !== undefined && start === 0)
    throw invalid("after", `no item of this response has the id ${JSON.stringify(after.slice(0, 200))}`);
  const data = ordered.slice(start, start + size);
  return {
    object: "list",
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: start + size < ordered.length,
  };
}

function invalid(param: string, problem: string): TroupeError {
  return new TroupeError("invalid_request", `"${param}": ${problem}.`, { details: { param } });
}
