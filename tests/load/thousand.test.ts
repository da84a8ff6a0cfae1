/** 1,000 calls in a row at 10 per second: SIPp's counts and the history agree, every recording is verified, memory does not grow. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { until } from "../e2e/lib/api.ts";
import { Company } from "../e2e/lib/company.ts";
import { stopPhones } from "../e2e/lib/stop.ts";
import { Fleet } from "../e2e/lib/fleet.ts";
import { Sipp } from "../e2e/lib/sipp.ts";

const CALLS = Number(process.env.PARLEY_CALLS ?? 1000), RATE = 10, TALK_MS = 4000;
let fleet: Fleet, c: Company, agents: Sipp;
const speech = (dir: string) => execFileSync("sox", ["-n", "-r", "8000", "-c", "1", "-e", "a-law", `${dir}/speech.wav`, "synth", "6", "sine", "440", "vol", "0.3"]);
const count = async (where: string) => Number((await fleet.sql(`select count(*) from report.interaction where ${where}`))[0]![0]);

before(async () => {
  fleet = await Fleet.start({ logLevel: "warn" });
  c = await Company.make(fleet, { queues: [{ key: "support" }] });
  await c.addStatic(80, (i) => `sip:m${i}@127.0.0.1:5074`, ["support"]);
  await c.route("3000", { case: "queueId", value: c.queues.support! });
  agents = new Sipp({ scenario: "uas_stay.xml", port: 5074, rtpPort: 50000 });
});
after(async () => {
  await agents?.stop();
  await stopPhones();
  await fleet?.stop();
});

async function run(calls: number) {
  const s = new Sipp({ scenario: "uac_talk.xml", to: fleet.state.sip, service: "3000", port: 5098, rate: RATE, calls, pauseMs: TALK_MS, limit: 200, rtpPort: 56000 }, speech);
  const code = await s.done();
  const n = s.counts();
  assert.equal(code, 0, s.errors());
  await s.stop();
  return n;
}

test(`${CALLS} calls at ${RATE} a second`, { timeout: 900_000 }, async () => {
  const warm = Math.min(100, CALLS);
  await run(warm);
  await until("warm-up in history", () => count("ended_at is not null"), (n) => n === warm, 60);
  const rss = Object.fromEntries(Object.keys(fleet.state.health).map((p) => [p, fleet.rssKb(p)]));
  const n = await run(CALLS);
  assert.deepEqual(n, { successful: CALLS, failed: 0 });
  await until("history", () => count("ended_at is not null"), (x) => x === CALLS + warm, 90);
  assert.equal(await count("outcome = 'answered'"), CALLS + warm, "each call was answered by an agent");
  assert.equal(await count("outcome = 'answered' and ended_by <> 'customer'"), 0);
  const [row] = await fleet.sql("select min(duration_ms), max(duration_ms), avg(duration_ms)::int from report.interaction");
  const [min, max] = row!.map(Number);
  assert.ok(min! >= TALK_MS - 100 && max! < TALK_MS + 3000, `durations ${row}; SIPp stayed ${TALK_MS} ms`);
  await until("recordings verified", async () => (await fleet.sql("select status, count(*) from voice.recording group by 1")).map((r) => r.join(":")).join(),
    (s) => !/expected/i.test(s) && new RegExp(`:${CALLS + warm}$`).test(s), 120);
  const states = await fleet.sql("select distinct status::text from voice.recording");
  assert.equal(states.length, 1, `recordings are ${states}`);
  for (const [p, kb] of Object.entries(rss)) {
    const now = fleet.rssKb(p);
    assert.ok(now < kb * 1.25 + 8192, `${p} grew from ${kb} kB to ${now} kB over ${CALLS} calls`);
  }
});
