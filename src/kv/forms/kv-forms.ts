/** The forms by name. */
import { f16 } from "./f16.ts";
import { f32 } from "./f32.ts";
import { int8 } from "./int8.ts";
import type { KvDtype, KvForm } from "./kv-form.ts";

/** How each element type lies in pages. */
export const KV_FORMS: Readonly<Record<KvDtype, KvForm>> = { f32, f16, int8 };
