/** The linear form of each precision. */
import type { Precision } from "../compiled-model.ts";
import { fp32 } from "./fp32.ts";
import type { LinearForm } from "./linear-form.ts";
import { blockForm } from "./w4.ts";
import { w8 } from "./w8.ts";

export const LINEAR_FORMS: Readonly<Record<Precision, LinearForm>> = {
  fp32,
  w8,
  w4: blockForm("w4"),
  w4g128: blockForm("w4g128"),
};
