import { fileURLToPath } from "node:url";

/** The clone's folder. */
export const projectRoot = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
