/** NATS, Redis, PostgreSQL away for 30 s and back: not ready meanwhile, all there again after it, and nothing lost. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { Events, Session, until } from "../e2e/lib/api.ts";
import { Company } from "../e2e/lib/company.ts";
import { stopPhones } from "../e2e/lib/stop.ts";
import { Fleet } from "../e2e/lib/fleet.ts";
import { Sipp } from "../e2e/lib/sipp.ts";

let fleet: Fleet, c: Company, agents: Sipp;
const AWAY_MS = 30_000;
const all = () => Object.keys(fleet.state.health);
const readyz = async (proc: string) => (await fetch(`http://127.0.0.1:${fleet.state.health[proc]}/readyz`)).status;

before(async () => {
  fleet = await Fleet.start();
  c = await Company.make(fleet, { queues: [{ key: "support" }] });
  await c.addStatic(20, (i) => `sip:m${i}@127.0.0.1:5072`, ["support"]);
  await c.route("3000", { case: "queueId", value: c.queues.support! });
  agents = new Sipp({ scenario: "uas_stay.xml", port: 5072, rtpPort: 48000 });
});
after(async () => {
  await agents?.stop();
  await stopPhones();
  await fleet?.stop();
});

async function callsWork(n: number) {
  const before = Number((await fleet.sql("select count(*) from report.interaction where outcome = 'answered'"))[0]![0]);
  const callers = new Sipp({ scenario: "uac_talk.xml", to: fleet.state.sip, service: "3000", port: 5094, rate: 5, calls: n, pauseMs: 2000, rtpPort: 49000 }, speech);
  assert.equal(await callers.done(), 0, callers.errors());
  await until("history is complete", async () => Number((await fleet.sql("select count(*) from report.interaction where outcome = 'answered'"))[0]![0]), (x) => x === before + n, 60);
  await callers.stop();
}
function speech(dir: string) {

  execFileSync("sox", ["-n", "-r", "8000", "-c", "1", "-e", "a-law", `${dir}/speech.wav`, "synth", "3", "sine", "440", "vol", "0.3"]);
}

for (const [server, users] of [["redis", ["auth-1", "sip-edge-1", "reporting-1"]], ["postgres", ["auth-1", "acd-router-1", "call-control-1", "flow-1", "sip-edge-1", "reporting-1"]], ["nats", null]] as const) {
  test(`${server} away for 30 s: its users say so, come back by themselves, and calls work`, { timeout: 240_000 }, async () => {
    await callsWork(5);
    await fleet.stopProc(server);
    const at = Date.now();
    for (const p of users ?? all()) await until(`${p} is not ready`, () => readyz(p), (s) => s === 503, 25);
    await new Promise((r) => setTimeout(r, Math.max(0, AWAY_MS - (Date.now() - at)))); // the length of the outage
    await fleet.startProc(server);
    await fleet.waitReady(server);
    for (const p of all()) await until(`${p} is ready again`, () => readyz(p), (s) => s === 200, 60);
    await callsWork(5);
  });
}

test("a call that lasts through an outage of PostgreSQL and Redis is in the history whole", { timeout: 180_000 }, async () => {
  const before = Number((await fleet.sql("select count(*) from report.interaction where outcome = 'answered'"))[0]![0]);
  const callers = new Sipp({ scenario: "uac_talk.xml", to: fleet.state.sip, service: "3000", port: 5096, rate: 5, calls: 3, pauseMs: 20000, rtpPort: 49000 }, speech);
  // The outages before have wiped Redis, and with it every session.
  let ev: Events | undefined = await Events.open(await Session.login(fleet.state.web, fleet.state.admin.username, fleet.state.admin.password));
  await until("3 talk", async () => new Set(ev!.seen.filter((e) => e.data?.type?.endsWith(".AgentConnected")).map((e) => e.id)).size, (n) => n >= 3, 40);
  await fleet.stopProc("postgres");
  await fleet.redis("FLUSHALL");
  await fleet.stopProc("redis");
  assert.equal(await callers.done(), 0, callers.errors());
  await fleet.startProc("redis");
  await fleet.startProc("postgres");
  await fleet.waitReady("redis", "postgres");
  await until("history is complete", async () => Number((await fleet.sql("select count(*) from report.interaction where outcome = 'answered'"))[0]![0]), (x) => x === before + 3, 60);
  await ev.close();
  ev = undefined;
  await callers.stop();
});
