import { actorCases } from "./actor-cases.ts";

actorCases("thread");
