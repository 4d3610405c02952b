/** The invariants of DESIGN 2, checked on a log at rest. Each returns sentences that name what is broken and where. */
import type { LogEntry, StoredEvent } from "../../bus/event.ts";
import type { Facts, TurnFacts } from "./facts.ts";
import type { World } from "./world.ts";

/** `deciders`: how many may decide at once, counting appends of the dead that land late. */
export function violations(facts: Facts, world: World, deciders: "one" | "several"): string[] {
  return [
    ...uniqueIds(facts),
    ...namedOnce(facts),
    ...oneTurnAtATime(facts),
    ...[...facts.turns.values()].flatMap((turn) => [
      ...oneEnd(turn),
      ...epochs(turn),
      ...stepsOnce(turn),
      ...toolsOnce(turn, world),
      ...answersSeeTheirMessages(turn, facts),
    ]),
    ...effectsOnce(facts, world),
    ...commandsOnce(facts, deciders),
  ];
}

/** I1, and ids: nothing stands twice. */
function uniqueIds(facts: Facts): string[] {
  const ids = new Map<string, number>();
  const subjects = new Set<string>();
  const found: string[] = [];
  for (const entry of facts.entries) {
    if (entry.type === "unreadable") {
      found.push(`seq ${entry.seq} cannot be read: ${entry.message}`);
      continue;
    }
    const before = ids.get(entry.id);
    if (before !== undefined) found.push(`the id of seq ${before} stands again at seq ${entry.seq} (${entry.type})`);
    ids.set(entry.id, entry.seq);
    if (entry.type === "DeadLettered") found.push(`a dead letter at seq ${entry.seq}: ${entry.data.message}`);
    if (!entry.subject.startsWith("log.in.")) continue;
    if (subjects.has(entry.subject)) found.push(`I1: ${entry.subject} stands twice`);
    subjects.add(entry.subject);
  }
  return found;
}

function rootOf(facts: Facts, turn: TurnFacts): string {
  const before = turn.request.data.retryOf;
  const known = before === undefined ? undefined : facts.turns.get(before);
  return known === undefined ? turn.turn : rootOf(facts, known);
}

/** I2: every message is taken by one turn (with its later attempts) and answered by the last attempt. */
function namedOnce(facts: Facts): string[] {
  const found: string[] = [];
  const last = new Map<string, TurnFacts>();
  const takenBy = new Map<string, string[]>();
  for (const turn of facts.turns.values()) {
    const root = rootOf(facts, turn);
    const known = last.get(root);
    if (known === undefined || known.request.data.attempt < turn.request.data.attempt) last.set(root, turn);
    const first = turn.request.data.retryOf === undefined ? turn.request.data.messages : [];
    for (const { message } of [...first, ...turn.steered.map((one) => one.data.message)]) {
      const key = `${turn.place}/${message}`;
      takenBy.set(key, [...(takenBy.get(key) ?? []), root]);
    }
  }
  for (const [key, message] of facts.messages) {
    if (message.receivedSeq === 0) continue;
    const roots = takenBy.get(key) ?? [];
    if (roots.length > 1) found.push(`I2: message ${key} was taken ${roots.length} times (${roots.join(", ")})`);
    if (roots.length === 0 && message.deletedSeq === 0) found.push(`I2: message ${key} was never taken`);
    const end = last.get(roots[0] ?? "")?.ends[0];
    if (end !== undefined && !end.data.answers.includes(message.message))
      found.push(`I2: message ${key} is not among the answers of the end at seq ${end.seq}`);
  }
  return found;
}

/** I4: in a chat one turn at a time, and messages are taken in their order. */
function oneTurnAtATime(facts: Facts): string[] {
  const found: string[] = [];
  const running = new Map<string, TurnFacts>();
  const taken = new Map<string, number>();
  for (const entry of facts.entries) {
    if (entry.type !== "TurnRequested" && entry.type !== "Steered") continue;
    const turn = facts.turns.get(entry.data.turn);
    if (turn === undefined) continue;
    let refs = entry.type === "Steered" ? [entry.data.message] : [];
    if (entry.type === "TurnRequested") {
      const before = running.get(turn.place);
      const endSeq = before?.ends[0]?.seq ?? Number.MAX_SAFE_INTEGER;
      if (before !== undefined && endSeq > entry.seq)
        found.push(`I4: turn ${turn.turn} was opened at seq ${entry.seq} while ${before.turn} ran`);
      running.set(turn.place, turn);
      refs = entry.data.retryOf === undefined ? entry.data.messages : [];
    }
    for (const { message, seq } of refs) {
      if (seq <= (taken.get(turn.place) ?? 0))
        found.push(`I4: message ${message} (seq ${seq}) was taken after a later one`);
      taken.set(turn.place, seq);
    }
  }
  return found;
}

/** One end, the last event of its turn, that names exactly what the turn took. */
function oneEnd({ turn, request, ends, events, steered }: TurnFacts): string[] {
  const [end] = ends;
  if (end === undefined) return [`turn ${turn} has no end`];
  const found = ends.length > 1 ? [`I2: turn ${turn} ended ${ends.length} times`] : [];
  for (const event of events)
    if (event.seq > end.seq) found.push(`I2: ${event.type} at seq ${event.seq} stands behind the end of ${turn}`);
  const taken = [...request.data.messages, ...steered.map((one) => one.data.message)].map((ref) => ref.message);
  if (taken.toSorted().join(" ") !== end.data.answers.toSorted().join(" "))
    found.push(
      `I2: the end at seq ${end.seq} answers [${end.data.answers.join(" ")}], taken were [${taken.join(" ")}]`,
    );
  return found;
}

/** Claims count 1, 2, 3 …, and nobody works under a claim that is not the newest. */
function epochs({ turn, events }: TurnFacts): string[] {
  const found: string[] = [];
  let epoch = 0;
  for (const event of events) {
    if (event.type === "unreadable" || !("epoch" in event.data)) continue;
    if (event.type === "TurnClaimed") {
      if (event.data.epoch !== epoch + 1)
        found.push(`I6: turn ${turn} was claimed with epoch ${event.data.epoch} after ${epoch} at seq ${event.seq}`);
      epoch = event.data.epoch;
    } else if (event.data.epoch !== epoch)
      found.push(`I6: ${event.type} of epoch ${event.data.epoch} at seq ${event.seq} in epoch ${epoch} of ${turn}`);
  }
  return found;
}

/** I6: steps are finished in order, each once. */
function stepsOnce({ turn, events }: TurnFacts): string[] {
  const found: string[] = [];
  let next = 0;
  for (const event of events) {
    if (event.type !== "ModelStepCompleted" && event.type !== "TurnCompleted") continue;
    const { step } = event.type === "TurnCompleted" ? event.data.lastStep : event.data;
    if (step !== next) found.push(`I6: step ${step} of ${turn} at seq ${event.seq}, expected ${next}`);
    next = step + 1;
  }
  return found;
}

/** I6: a call is started once, ends once, and an at-most-once tool without a known result is settled as interrupted. */
function toolsOnce({ turn, events, ends }: TurnFacts, world: World): string[] {
  const found: string[] = [];
  const called = new Map<string, StoredEvent<"ToolCalled">>();
  const completed = new Map<string, StoredEvent<"ToolCompleted">>();
  const asked = new Set<string>();
  for (const event of events) {
    if (event.type === "ModelStepCompleted") for (const call of event.data.toolCalls) asked.add(call.callId);
    if (event.type === "ToolCalled") {
      if (called.has(event.data.callId)) found.push(`I6: ${event.data.callId} of ${turn} was started twice`);
      called.set(event.data.callId, event);
    }
    if (event.type !== "ToolCompleted") continue;
    const { callId, outcome, epoch } = event.data;
    const start = called.get(callId);
    if (completed.has(callId)) found.push(`I6: ${callId} of ${turn} was completed twice`);
    if (start === undefined) found.push(`I6: ${callId} of ${turn} was completed before it was started`);
    completed.set(callId, event);
    if (start?.data.effect === "at-most-once" && start.data.epoch !== epoch && outcome !== "interrupted")
      found.push(`I6: the at-most-once call ${callId} of ${turn} was completed by another epoch as ${outcome}`);
    const effect = world.effects.get(String((start?.data.arguments as { mark?: string } | undefined)?.mark));
    if (outcome === "ok" && effect === undefined)
      found.push(`I6: ${callId} of ${turn} says ok at seq ${event.seq} but had no effect`);
  }
  if (ends[0]?.type === "TurnCompleted")
    for (const callId of asked) if (!completed.has(callId)) found.push(`I6: ${callId} of ${turn} has no result`);
  return found;
}

/** I6 from outside: what the tools did, by the model's own mark of the call. */
function effectsOnce(facts: Facts, world: World): string[] {
  const known = new Set(
    facts.entries.flatMap((entry) =>
      entry.type === "ToolCalled" ? [String((entry.data.arguments as { mark?: string }).mark)] : [],
    ),
  );
  const found: string[] = [];
  for (const [mark, { name, times, keys }] of world.effects) {
    if (!known.has(mark))
      found.push(`I6: ${name} ${mark} had an effect under "${[...keys].join()}" but was never called in the log`);
    if (keys.size > 1) found.push(`I6: ${name} ${mark} ran under ${keys.size} call keys`);
    if (name !== "look" && times > 1) found.push(`I6: ${name} ${mark} had its effect ${times} times`);
  }
  return found;
}

/** An answer was made by a model that saw every message it answers, as it was when the turn took it. */
function answersSeeTheirMessages({ place, request, steered, ends }: TurnFacts, facts: Facts): string[] {
  const [end] = ends;
  if (end?.type !== "TurnCompleted") return [];
  const taken = [
    ...request.data.messages.map((ref) => ({ ...ref, takenSeq: request.seq })),
    ...steered.map((one) => ({ ...one.data.message, takenSeq: one.seq })),
  ];
  const seen = new Set(end.data.text.split(" "));
  return taken.flatMap(({ message, takenSeq }) => {
    const known = facts.messages.get(`${place}/${message}`);
    if (known === undefined || known.deletedSeq > 0) return [];
    const revision = known.edits.findLast((edit) => edit.seq < takenSeq)?.revision;
    const allowed = [revision, ...known.edits.filter((edit) => edit.seq > takenSeq).map((edit) => edit.revision)];
    const marks = allowed.map((one) => (one === undefined ? `#${message}` : `#${message}-${one}`));
    if (marks.some((mark) => seen.has(mark))) return [];
    return [`I2: the answer at seq ${end.seq} was made without ${marks[0]}: "${end.data.text}"`];
  });
}

/** Every command has one answer, every task one outcome, every fire one turn. */
function commandsOnce(facts: Facts, deciders: "one" | "several"): string[] {
  const found: string[] = [];
  for (const { event, done, refused } of facts.commands.values()) {
    // A refusal and a turn's event stand on two entities, which no one fence covers: a second router that lags, or an
    // append that lands late, may refuse what was done. It is never done twice.
    const onTurns = event.type === "CancelTurn" || event.type === "RetryTurn";
    const most = onTurns && deciders === "several" ? 2 : 1;
    if (done > 1 || refused > 1 || done + refused < 1 || done + refused > most)
      found.push(`${event.type} at seq ${event.seq} was done ${done} times and refused ${refused} times`);
  }
  for (const [task, { fired, cancelled }] of facts.tasks)
    if (fired + cancelled !== 1) found.push(`task ${task} fired ${fired} times and was cancelled ${cancelled} times`);
  const turns = new Map<string, number>();
  for (const turn of facts.turns.values()) {
    const { trigger, retryOf } = turn.request.data;
    if (retryOf === undefined) turns.set(trigger.id, (turns.get(trigger.id) ?? 0) + 1);
  }
  for (const fire of facts.fires)
    if (turns.get(fire.id) !== 1) found.push(`the fire at seq ${fire.seq} has ${turns.get(fire.id) ?? 0} turns`);
  return found;
}

/** The log as lines, for a person who looks at a failed seed. */
export function describeLog(entries: readonly LogEntry[]): string[] {
  return entries.map((entry) => {
    const data = entry.type === "unreadable" ? entry.message : JSON.stringify(entry.data);
    return `${entry.seq} ${new Date(entry.storedAtMs).toISOString().slice(14, 23)} ${entry.type} ${entry.subject} ${data.slice(0, 400)}`;
  });
}
