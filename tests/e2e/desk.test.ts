/** The desk in a real browser: an agent answers a SIP caller with microphone and loudspeaker, a supervisor watches, the history plays it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { AgentState } from "../gen/parley/acd/v1/acd_pb.js";
import { until, type Events } from "./lib/api.ts";
import { assertHeard, speak } from "./lib/audio.ts";
import { Desk } from "./lib/browser.ts";
import { Company, customer, PASSWORD } from "./lib/company.ts";
import { stopPhones } from "./lib/stop.ts";
import { Fleet, TOP } from "./lib/fleet.ts";

let fleet: Fleet, c: Company, ev: Events, dir: string, agent: Desk, supervisor: Desk;
const said: Record<string, { file: string; length: number }> = {};
/** Set to a folder to keep the pictures of the README. */
const SHOTS = process.env.PARLEY_SHOTS ?? "";
const talk = (s: number) => new Promise((r) => setTimeout(r, s * 1000)); // the length of what people say

function voice(name: string, text: string, v: string, rate: number) {
  const one = join(dir, `${name}.one.wav`), file = join(dir, `${name}.wav`);
  const length = speak(one, text, v, 1.2, 0.2, rate);
  execFileSync("sox", [one, file, "repeat", "40"]);
  said[name] = { file, length };
}
async function call(phone: Awaited<ReturnType<typeof customer>>, number: string) {
  const seen = ev.seen.length;
  phone.dial(`sip:${number}@${fleet.state.sip}`);
  const e = await ev.wait("CallStarted", (x) => ev.seen.indexOf(x) >= seen && x.name === "ledger" && x.data.type.endsWith(".CallStarted"));
  return e.data.event.meta.interactionId as string;
}

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "parley-desk-"));
  if (SHOTS) mkdirSync(SHOTS, { recursive: true });
  voice("customer", "Hello, my internet connection does not work since this morning.", "en+f3", 8000);
  voice("agent", "Technical support, this is Marta. What colour is the light on your modem?", "en+f4", 48000);
  fleet = await Fleet.start();
  c = await Company.make(fleet, { queues: [{ key: "support", name: "Technical support", more: { wrapUpMs: 4000 } }], agents: { marta: ["support"] }, supervisors: ["federica"], menu: true });
  ev = await c.events();
  agent = await Desk.open(fleet.state.web, { speaks: said.agent!.file });
  supervisor = await Desk.open(fleet.state.web, { theme: "dark" });
});
after(async () => {
  await agent?.close();
  await supervisor?.close();
  await ev?.close();
  await stopPhones();
  await fleet?.stop();
  rmSync(dir, { recursive: true, force: true });
});

let callId = "";
test("an agent answers in the browser; both hear each other; the supervisor sees it happen", { timeout: 240_000 }, async () => {
  await agent.signIn("marta", PASSWORD);
  await agent.startWork();
  await c.untilState("marta", AgentState.READY);
  await supervisor.signIn("federica", PASSWORD);
  await supervisor.page.getByRole("link", { name: "Live" }).click();
  await supervisor.page.getByRole("row", { name: /Technical support/ }).first().waitFor();

  const cust = await customer(said.customer!.file);
  callId = await call(cust, "1000");
  await cust.established();
  cust.digits("1");
  const accept = agent.page.getByRole("button", { name: /^Accept/ });
  await accept.waitFor({ timeout: 30_000 });
  if (SHOTS) await agent.shot(join(SHOTS, "desk-offer.light.png"));
  await agent.page.keyboard.press("F2");
  await ev.ledger("AgentConnected", (e) => e.meta.interactionId === callId);
  await agent.page.getByRole("button", { name: "End call" }).waitFor();
  await agent.page.getByText("Recording", { exact: true }).first().waitFor({ timeout: 20_000 });
  await supervisor.page.getByRole("row", { name: /Marta Test.*On contact/s }).first().waitFor({ timeout: 30_000 });
  if (SHOTS) {
    await agent.shot(join(SHOTS, "desk-call.light.png"));
    await supervisor.shot(join(SHOTS, "live.dark.png"));
  }
  const heard = join(dir, "browser-heard.wav");
  await agent.hear(14, heard);
  await agent.page.getByRole("button", { name: "End call" }).click();
  await cust.closed();
  assertHeard("the browser hears the customer", said.customer!.file, heard, said.customer!.length, { minCorrelation: 0.75 });
  assertHeard("the customer hears the browser", said.agent!.file, cust.heard().at(-1)!, said.agent!.length, { minCorrelation: 0.75 });
  const row = await c.row(callId);
  assert.equal(row.outcome, "answered");
  assert.equal(row.endedBy, "agent");
  await cust.stop();
});

test("the call is in the history, its recording plays and equals both sides", { timeout: 120_000 }, async () => {
  const wav = join(dir, "rec.wav");
  await c.recording(callId, wav);
  assertHeard("recording, customer", said.customer!.file, wav, said.customer!.length, { channel: 1, minCorrelation: 0.75 });
  assertHeard("recording, agent", said.agent!.file, wav, said.agent!.length, { channel: 2, minCorrelation: 0.75 });
  await supervisor.page.getByRole("link", { name: "History" }).click();
  await supervisor.page.goto(`${fleet.state.web}/i/${callId}`);
  const play = supervisor.page.getByRole("button", { name: /^Play/ });
  await play.waitFor({ timeout: 30_000 });
  await play.click();
  await until("the player moves on", () => supervisor.page.evaluate(() => Math.max(0, ...[...document.querySelectorAll("audio")].map((a) => a.currentTime))), (t) => t > 1, 30);
  if (SHOTS) await supervisor.shot(join(SHOTS, "history.dark.png"));
});

test("12 s without the event stream: nothing is missed", { timeout: 240_000 }, async () => {
  await c.untilState("marta", AgentState.READY);
  // The browser loses the server, not the session: its requests to the stream fail until it is back.
  await agent.page.context().setOffline(true);
  const cust = await customer(said.customer!.file);
  const id = await call(cust, "1000");
  await cust.established();
  cust.digits("1");
  await ev.ledger("InteractionQueued", (e) => e.meta.interactionId === id);
  await talk(12); // the outage, shorter than the agent's lease and the offer
  await agent.page.context().setOffline(false);
  const accept = agent.page.getByRole("button", { name: /^Accept/ });
  await accept.waitFor({ timeout: 60_000 });
  await accept.click();
  await ev.ledger("AgentConnected", (e) => e.meta.interactionId === id, 60);
  await talk(2);
  cust.hangup();
  await c.row(id);
  await cust.stop();
});

test("no page reported an error", () => {
  const real = [...agent.errors, ...supervisor.errors].filter((e) => !/ERR_INTERNET_DISCONNECTED|Failed to load resource|ERR_NETWORK_CHANGED/.test(e));
  assert.deepEqual(real, []);
  assert.ok(TOP);
});
