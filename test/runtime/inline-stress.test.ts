import { stressCases } from "./stress-cases.ts";

stressCases("inline");
