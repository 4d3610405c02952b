import { filters } from "../../bus/subjects.ts";

/** Everything the due list is folded from, in one ordered stream. */
export const READS = [filters.commands, filters.tasks, filters.steps, filters.outs];
