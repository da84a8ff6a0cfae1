/** Calls by phones that nobody here wrote: baresip customers and agents through the whole fleet, with the audio compared. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { AgentState } from "../gen/parley/acd/v1/acd_pb.js";
import { SegmentKind } from "../gen/parley/report/v1/report_pb.js";
import { Events } from "./lib/api.ts";
import { assertHeard, compare, samples, seconds, speak } from "./lib/audio.ts";
import { Company, customer } from "./lib/company.ts";
import { stopPhones } from "./lib/stop.ts";
import { Fleet } from "./lib/fleet.ts";
import type { Phone } from "./lib/phone.ts";

let fleet: Fleet, c: Company, ev: Events, dir: string;
const phones: Record<string, Phone> = {};
const said = { customer: "", marta: "", luca: "" };
const length: Record<string, number> = {};

/** Speech and a short pause, again and again, so that it is whole in any 16 s of talk. */
async function voice(name: string, text: string, v: string) {
  const { execFileSync } = await import("node:child_process");
  const one = join(dir, `${name}.one.wav`), all = join(dir, `${name}.wav`);
  length[name] = speak(one, text, v, 1.2, 0.2);
  execFileSync("sox", [one, all, "repeat", "40"]);
  return all;
}
/** The id of the call that starts next. */
async function dial(phone: Phone, number: string): Promise<string> {
  const seen = ev.seen.length;
  phone.dial(`sip:${number}@${fleet.state.sip}`);
  const e = await ev.wait("CallStarted", (x) => ev.seen.indexOf(x) >= seen && x.name === "ledger" && x.data.type.endsWith(".CallStarted"));
  return e.data.event.meta.interactionId;
}
const ledger = (type: string, id: string, more: (e: any) => boolean = () => true) =>
  ev.ledger(type, (e) => e.meta.interactionId === id && more(e));
const talk = (s: number) => new Promise((r) => setTimeout(r, s * 1000)); // people talk: this is the length of a call, not synchronisation

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "parley-voice-"));
  said.customer = await voice("customer", "Hello, my internet connection does not work since this morning.", "en+f3");
  said.marta = await voice("marta", "Technical support, this is Marta. What colour is the light on your modem?", "en+f4");
  said.luca = await voice("luca", "Good morning, Luca speaking. I take over this call from my colleague now.", "en+m3");
  fleet = await Fleet.start();
  c = await Company.make(fleet, {
    queues: [{ key: "support", more: { ringTimeoutMs: 6000, wrapUpMs: 2000 } }, { key: "sales" }],
    agents: { marta: ["support"], luca: ["support", "sales"] }, supervisors: ["federica"], menu: true });
  await c.route("2000", { case: "queueId", value: c.queues.sales! });
  ev = await c.events();
  phones.marta = await c.phoneOf("marta", { says: said.marta });
  phones.luca = await c.phoneOf("luca", { says: said.luca });
});
after(async () => {
  await ev?.close();
  for (const p of Object.values(phones)) await p.stop();
  await stopPhones();
  await fleet?.stop();
  rmSync(dir, { recursive: true, force: true });
});

describe("a call to a queue", () => {
  test("menu, music, agent: both hear each other whole, and the recording equals both", { timeout: 180_000 }, async () => {
    await c.ready("marta");
    const cust = await customer(said.customer);
    const id = await dial(cust, "1000");
    await cust.established();
    await ledger("FlowEntered", id);
    await talk(4);
    cust.digits("1");
    await phones.marta!.ringing();
    phones.marta!.answer();
    await phones.marta!.established();
    await ledger("AgentConnected", id);
    await talk(17);
    cust.hangup();
    await phones.marta!.closed();
    await ledger("CallEnded", id);
    const row = await c.row(id);
    assert.equal(row.outcome, "answered");
    assert.equal(row.agentId, c.people.marta!.id);
    assert.equal(row.endedBy, "customer");
    const kinds = row.segments.map((s) => s.kind);
    for (const k of [SegmentKind.MENU, SegmentKind.QUEUE, SegmentKind.TALK]) assert.ok(kinds.includes(k), `segment ${SegmentKind[k]}`);
    assertHeard("agent hears customer", said.customer, phones.marta!.heard().at(-1)!, length.customer!);
    assertHeard("customer hears agent", said.marta, cust.heard().at(-1)!, length.marta!);
    const wav = join(dir, "rec.wav");
    const rec = await c.recording(id, wav);
    assert.ok(Math.abs(seconds(wav) - Number(row.talkMs) / 1000) < 1, `recording ${seconds(wav)} s, talk ${row.talkMs} ms`);
    assert.ok(Math.abs(rec.durationMs / 1000 - seconds(wav)) < 0.05);
    assertHeard("recording, customer's side", said.customer, wav, length.customer!, { channel: 1 });
    assertHeard("recording, agent's side", said.marta, wav, length.marta!, { channel: 2 });
    await cust.stop();
    await c.untilState("marta", AgentState.READY);
  });

  test("the agent hangs up: the customer's phone is released", { timeout: 90_000 }, async () => {
    const cust = await customer(said.customer);
    const id = await dial(cust, "1000");
    await cust.established();
    cust.digits("1");
    await phones.marta!.ringing();
    phones.marta!.answer();
    await ledger("AgentConnected", id);
    await talk(2);
    phones.marta!.hangup();
    await cust.closed();
    const row = await c.row(id);
    assert.equal(row.endedBy, "agent");
    assert.equal(row.outcome, "answered");
    await cust.stop();
    await c.untilState("marta", AgentState.READY);
  });

  test("abandoned in the menu", { timeout: 60_000 }, async () => {
    const cust = await customer();
    const id = await dial(cust, "1000");
    await cust.established();
    await talk(1);
    cust.hangup();
    const row = await c.row(id);
    assert.equal(row.outcome, "abandoned-menu");
    await cust.stop();
  });

  test("abandoned in the queue, with music heard until then", { timeout: 90_000 }, async () => {
    await c.offline("marta");
    const cust = await customer();
    const id = await dial(cust, "1000");
    await cust.established();
    cust.digits("1");
    await ledger("InteractionQueued", id);
    await talk(5);
    cust.hangup();
    await cust.closed();
    await ledger("InteractionDequeued", id, (e) => e.reason === "abandoned");
    const row = await c.row(id);
    assert.equal(row.outcome, "abandoned-queue");
    assert.ok(Number(row.waitMs) > 4000 && Number(row.waitMs) < 8000, `waited ${row.waitMs} ms`);
    const heard = samples(cust.heard().at(-1)!);
    const tail = heard.subarray(heard.length - 3 * 8000);
    const rms = Math.sqrt(tail.reduce((s, v) => s + v * v, 0) / tail.length);
    assert.ok(rms > 0.02, `music level ${rms}`);
    await cust.stop();
  });

  test("rings out at one agent, then the next one takes it", { timeout: 120_000 }, async () => {
    await c.ready("marta");
    await c.ready("luca");
    const cust = await customer(said.customer);
    const id = await dial(cust, "1000");
    await cust.established();
    cust.digits("1");
    await phones.marta!.ringing();
    await phones.luca!.ringing();
    phones.luca!.answer();
    await ledger("AgentConnected", id, (e) => e.meta.agentId === c.people.luca!.id);
    await talk(2);
    cust.hangup();
    const row = await c.row(id);
    assert.equal(row.agentId, c.people.luca!.id);
    const rings = row.segments.filter((s) => s.kind === SegmentKind.RING);
    assert.deepEqual(rings.map((s) => s.agentId), [c.people.marta!.id, c.people.luca!.id]);
    await cust.stop();
    await c.untilState("luca", AgentState.READY);
  });

  test("held by the agent the customer hears music, then the agent again", { timeout: 120_000 }, async () => {
    await c.offline("luca");
    await c.ready("marta");
    const cust = await customer(said.customer);
    const id = await dial(cust, "1000");
    await cust.established();
    cust.digits("1");
    await phones.marta!.ringing();
    phones.marta!.answer();
    await ledger("AgentConnected", id);
    await talk(1);
    await c.calls("marta").holdCall({ interactionId: id });
    await ledger("CallHeld", id);
    await talk(4);
    await c.calls("marta").resumeCall({ interactionId: id });
    await ledger("CallResumed", id);
    await talk(12);
    cust.hangup();
    const row = await c.row(id);
    assert.ok(Number(row.heldMs) > 3500 && Number(row.heldMs) < 6000, `held ${row.heldMs} ms`);
    assertHeard("customer hears the agent after the hold", said.marta, cust.heard().at(-1)!, length.marta!);
    await cust.stop();
    await c.untilState("marta", AgentState.READY);
  });

  test("a blind transfer to a queue brings the next agent, each charged with the own talk", { timeout: 150_000 }, async () => {
    await c.ready("luca");
    await c.offline("luca");
    const cust = await customer(said.customer);
    const id = await dial(cust, "1000");
    await cust.established();
    cust.digits("1");
    await phones.marta!.ringing();
    phones.marta!.answer();
    await ledger("AgentConnected", id);
    await talk(3);
    await c.ready("luca");
    await c.calls("marta").transferCall({ interactionId: id, target: { case: "queueId", value: c.queues.sales! } });
    await phones.marta!.closed();
    await phones.luca!.ringing();
    phones.luca!.answer();
    await ledger("AgentConnected", id, (e) => e.meta.agentId === c.people.luca!.id);
    await talk(14);
    cust.hangup();
    const row = await c.row(id);
    const talks = row.segments.filter((s) => s.kind === SegmentKind.TALK);
    assert.deepEqual(talks.map((s) => s.agentId), [c.people.marta!.id, c.people.luca!.id]);
    assert.equal(row.agents, 2);
    assertHeard("customer hears the second agent", said.luca, cust.heard().at(-1)!, length.luca!);
    await cust.stop();
  });

  test("every second of every call is accounted for", async () => {
    const list = await c.history();
    assert.ok(list.interactions.length >= 7);
    for (const i of list.interactions) {
      const full = await c.row(i.id);
      const at = (t: any) => Number(t.seconds) * 1000 + t.nanos / 1e6;
      const main = full.segments.filter((s) => ![SegmentKind.RING, SegmentKind.WRAP_UP].includes(s.kind));
      const sum = main.reduce((t, s) => t + at(s.endedAt) - at(s.startedAt), 0);
      assert.ok(Math.abs(sum - Number(full.durationMs)) < 50, `${i.id}: segments ${sum} ms, call ${full.durationMs} ms`);
    }
  });
});
void compare;
