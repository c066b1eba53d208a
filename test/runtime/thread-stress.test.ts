import { stressCases } from "./stress-cases.ts";

stressCases("thread");
