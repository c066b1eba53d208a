import { familyCases } from "./family-cases.ts";

familyCases("inline");
