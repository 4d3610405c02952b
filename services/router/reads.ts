import { filters } from "../../bus/subjects.ts";

/** Everything the router's fold reads, in one ordered stream. */
export const READS = [filters.inbound, filters.commands, filters.turns, filters.chats, filters.tasks];
