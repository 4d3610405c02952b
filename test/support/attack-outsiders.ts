/** Everybody outside core: as declared, and with the signing key of the whole account stolen. */
import assert from "node:assert/strict";
import type { ChannelAccess } from "../../bus/accounts/access.ts";
import { channelAccountName, mintTurnCredentials } from "../../bus/accounts/minting.ts";
import { declarations } from "../../ops/nats/declarations.ts";
import { SECRET } from "./attack-proof.ts";
import { accountOf, forgedCreds, GROUP, otherChannel, type Stage } from "./attack-stage.ts";
import type { WireClient } from "./attack-wire.ts";

export interface Outsider {
  readonly who: string;
  /** Undefined for a sandbox. */
  readonly channel: string | undefined;
  /** Core subjects it may rightly reach. */
  readonly own: readonly string[];
  /** True when nothing but its account's imports holds it. */
  readonly unbound: boolean;
  readonly client: WireClient;
  /** A subscribed prefix for answers. */
  readonly inbox: string;
}

export function declaredChannel(name: string): ChannelAccess {
  const found = declarations.find((access) => access.type === "channel" && access.channel === name);
  assert.ok(found?.type === "channel");
  return found;
}

async function channelUser(stage: Stage, access: ChannelAccess): Promise<Outsider> {
  const { channel, services: own } = access;
  const client = await stage.as(channel);
  const inbox = `_INBOX_${channel}`;
  client.subscribe(`${inbox}.>`);
  return { who: channel, channel, own, unbound: false, client, inbox };
}

async function channelThief(stage: Stage, access: ChannelAccess): Promise<Outsider> {
  const { channel, services: own } = access;
  const account = channelAccountName(channel);
  const key = accountOf(stage.minted, account).publicKey;
  const client = await stage.wire(await forgedCreds(stage.home, account, key, "thief"));
  client.subscribe(">");
  return { who: `a thief in the account of ${channel}`, channel, own, unbound: true, client, inbox: "_INBOX_thief" };
}

async function sandbox(stage: Stage): Promise<Outsider> {
  const { creds, user } = await mintTurnCredentials(stage.home, GROUP, 600, Date.now());
  const client = await stage.wire(creds);
  const inbox = `_INBOX_${user}`;
  client.subscribe(`${inbox}.>`);
  const own = [`ipc.${stage.groupToken}.>`];
  return { who: "a sandbox", channel: undefined, own, unbound: false, client, inbox };
}

/** Runs `attack` for each of them, one after the other; fails when one is thrown out or reads a secret. */
export async function eachOutsider(stage: Stage, attack: (outsider: Outsider) => Promise<void>): Promise<void> {
  const openers = [declaredChannel("web"), otherChannel].flatMap((access) => [
    () => channelUser(stage, access),
    () => channelThief(stage, access),
  ]);
  for (const open of [...openers, () => sandbox(stage)]) {
    const outsider = await open();
    await outsider.client.settle();
    await attack(outsider);
    await stage.admin.flush();
    await outsider.client.settle();
    assert.equal(outsider.client.closed, false, `${outsider.who} was there to the end`);
    const leaked = outsider.client.messages.filter((message) => message.payload.includes(SECRET));
    assert.deepEqual(leaked, [], `${outsider.who} read what is not its own`);
    outsider.client.close();
  }
}
