/** kill -9 of the router's leader while callers wait: all are answered, in order. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { AgentKind, AgentService } from "../gen/parley/acd/v1/acd_pb.js";
import { until, type Events } from "../e2e/lib/api.ts";
import { Company } from "../e2e/lib/company.ts";
import { stopPhones } from "../e2e/lib/stop.ts";
import { Fleet } from "../e2e/lib/fleet.ts";
import { Sipp } from "../e2e/lib/sipp.ts";

const CALLERS = 20;
let fleet: Fleet, c: Company, ev: Events;

before(async () => {
  fleet = await Fleet.start({ copies: { "acd-router": 2 } });
  c = await Company.make(fleet, { queues: [{ key: "support", more: { record: false } }] });
  await c.route("3000", { case: "queueId", value: c.queues.support! });
  ev = await c.events();
});
after(async () => {
  await ev?.close();
  await stopPhones();
  await fleet?.stop();
});

test("kill -9 of the leading router while 20 callers wait: all 20 are answered, in order", { timeout: 240_000 }, async () => {
  const agent = new Sipp({ scenario: "uas_bye.xml", port: 5070, pauseMs: 700, rtpPort: 46000 });
  const callers = new Sipp({ scenario: "uac_wait.xml", to: fleet.state.sip, service: "3000", port: 5092, rate: 10, calls: CALLERS, rtpPort: 47000 });
  const queued = () => ev.seen.filter((e) => e.name === "ledger" && e.data.type.endsWith(".InteractionQueued")).map((e) => e.data.event.meta.interactionId);
  await until("20 callers wait", async () => queued().length, (n) => n === CALLERS, 60);
  const order = queued();
  const leader = await until("a leader", async () => {
    for (const n of ["acd-router-1", "acd-router-2"]) if ((await fleet.metric(n, "parley_acd_router_leader")) === 1) return n;
    return "";
  }, (n) => n !== "");
  await fleet.kill(leader);
  const r = await c.admin.client(AgentService).createAgent({ agent: { name: "m0", kind: AgentKind.STATIC, enabled: true, address: "sip:m0@127.0.0.1:5070", memberships: [{ queueId: c.queues.support! }] } });
  const connected = () => ev.seen.filter((e) => e.name === "ledger" && e.data.type.endsWith(".AgentConnected"));
  await until("all are answered", async () => connected().length, (n) => n >= CALLERS, 150);
  assert.deepEqual(connected().map((e) => e.data.event.meta.interactionId), order, "in the order of arrival, each once");
  assert.ok(connected().every((e) => e.data.event.meta.agentId === r.agent!.id));
  assert.equal(await callers.done(), 0, callers.errors());
  await callers.stop();
  await agent.stop();
});
