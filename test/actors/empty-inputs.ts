/** An input builder that gives nothing. */
import { defineInputBuilders } from "../../src/index.ts";

export default defineInputBuilders({ nothing: () => ({}) });
