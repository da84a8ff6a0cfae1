/** A small company for tests, made through the API: agents with phones, queues, a menu, numbers, a carrier on 127.0.0.1:5080-5099. */
import { randomBytes } from "node:crypto";
import { AgentKind, AgentService, AgentState, Device, Presence, QueueService, PauseReasonService, RoutingService, Strategy, WorkService } from "../../gen/parley/acd/v1/acd_pb.js";
import { Role } from "../../gen/parley/auth/v1/auth_pb.js";
import { Channel } from "../../gen/parley/common/v1/common_pb.js";
import { FlowService, ScheduleService } from "../../gen/parley/flow/v1/flow_pb.js";
import { HistoryService } from "../../gen/parley/report/v1/report_pb.js";
import { PhoneService, TrunkService } from "../../gen/parley/telephony/v1/telephony_pb.js";
import { CallService, RecordingService, RouteService } from "../../gen/parley/voice/v1/voice_pb.js";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { QueueSchema } from "../../gen/parley/acd/v1/acd_pb.js";
import { Events, Session, makeUser, until } from "./api.ts";
import type { Fleet } from "./fleet.ts";
import { Phone, type PhoneOptions } from "./phone.ts";

export const PASSWORD = `Test-${randomBytes(4).toString("hex")}-9k`;

export interface Person { id: string; name: string; username: string; phone: string; phoneId: string; session: Session }
export interface QueueSpec { key: string; name?: string; more?: MessageInitShape<typeof QueueSchema> }

export class Company {
  queues: Record<string, string> = {};
  people: Record<string, Person> = {};
  flowId = "";
  readonly fleet: Fleet;
  readonly admin: Session;
  constructor(fleet: Fleet, admin: Session) {
    this.fleet = fleet;
    this.admin = admin;
  }

  static async make(fleet: Fleet, o: { queues: QueueSpec[]; agents?: Record<string, string[]>; supervisors?: string[]; menu?: boolean }): Promise<Company> {
    const admin = await Session.login(fleet.state.web, fleet.state.admin.username, fleet.state.admin.password);
    const c = new Company(fleet, admin);
    for (const q of o.queues) await c.addQueue(q);
    let phone = 201;
    for (const [name, queues] of Object.entries(o.agents ?? {})) await c.addAgent(name, queues, String(phone++));
    for (const s of o.supervisors ?? []) {
      const id = await makeUser(admin, s, s, Role.SUPERVISOR, PASSWORD);
      c.people[s] = { id, name: s, username: s, phone: "", phoneId: "", session: await Session.login(fleet.state.web, s, PASSWORD) };
    }
    await admin.client(TrunkService).createTrunk({ trunk: { name: "carrier", enabled: true, sourceAddresses: ["127.0.0.1:5080-5099"], outboundUri: "sip:127.0.0.1:5090", codecs: ["PCMA", "PCMU"] } });
    await admin.client(PauseReasonService).createPauseReason({ pauseReason: { name: "Break", paid: true } });
    if (o.menu) await c.addMenu();
    return c;
  }

  async addQueue(q: QueueSpec): Promise<string> {
    const r = await this.admin.client(QueueService).createQueue({ queue: {
      name: q.name ?? q.key, channel: Channel.VOICE, enabled: true, strategy: Strategy.LONGEST_IDLE, ringTimeoutMs: 15000, retryMs: 500,
      wrapUpMs: 0, weight: 1, serviceLevelMs: 20000, serviceLevelTargetPct: 80, joinWhenEmpty: true, record: true, music: "default", ...q.more } });
    return (this.queues[q.key] = r.queue!.id);
  }

  async addAgent(name: string, queues: string[], phone: string): Promise<Person> {
    const full = `${name[0]!.toUpperCase()}${name.slice(1)} Test`;
    const id = await makeUser(this.admin, name, full, Role.AGENT, PASSWORD);
    await this.admin.client(AgentService).createAgent({ agent: { id, name: full, kind: AgentKind.PERSON, enabled: true,
      memberships: queues.map((q, i) => ({ queueId: this.queues[q]!, rank: i })) } });
    const p = await this.admin.client(PhoneService).createPhone({ phone: { user: phone, displayName: full, agentId: id, enabled: true }, password: PASSWORD });
    const session = await Session.login(this.fleet.state.web, name, PASSWORD);
    return (this.people[name] = { id, name: full, username: name, phone, phoneId: p.phone!.id, session });
  }

  /** Agents that are always ready at fixed SIP addresses. */
  async addStatic(n: number, address: (i: number) => string, queues: string[]): Promise<string[]> {
    const ids: string[] = [];
    for (let i = 0; i < n; i++) {
      const r = await this.admin.client(AgentService).createAgent({ agent: { name: `m${i}`, kind: AgentKind.STATIC, enabled: true, address: address(i),
        memberships: queues.map((q) => ({ queueId: this.queues[q]! })) } });
      ids.push(r.agent!.id);
    }
    return ids;
  }

  /** Menu: 1 first queue, 2 second; say texts are spoken by the built-in voice. */
  async addMenu() {
    const s = await this.admin.client(ScheduleService).createSchedule({ schedule: { name: "always", timeZone: "Europe/Rome",
      weekly: [1, 2, 3, 4, 5, 6, 7].map((weekday) => ({ weekday, fromMinute: 0, toMinute: 1440 })) } });
    const [first, second] = Object.values(this.queues);
    const choices: Record<string, unknown> = { "1": { to: "first", label: "Support" } };
    if (second) choices["2"] = { to: "second", label: "Sales" };
    const graph = { start: "answer", language: "en", show: ["topic"], nodes: {
      answer: { type: "answer", next: "hours" },
      hours: { type: "hours", schedule: s.schedule!.id, open: "menu", closed: "closed" },
      closed: { type: "say", text: "We are closed.", next: "bye" },
      menu: { type: "menu", prompt: "Welcome. For support press 1. For sales press 2.", tries: 2, first_timeout_ms: 8000,
        choices, variable: "topic", timeout: "bye" },
      first: { type: "queue", queue: first, otherwise: "bye" },
      ...(second ? { second: { type: "queue", queue: second, otherwise: "bye" } } : {}),
      bye: { type: "hangup" } } };
    const f = await this.admin.client(FlowService).createFlow({ flow: { name: "menu", channel: Channel.VOICE }, graph: graph as any });
    if (f.problems.length) throw new Error(`menu: ${JSON.stringify(f.problems)}`);
    await this.admin.client(FlowService).publishFlow({ flowId: f.flow!.id, version: 1 });
    this.flowId = f.flow!.id;
    await this.route("1000", { case: "flowId", value: f.flow!.id });
  }

  async route(number: string, destination: { case: "flowId" | "queueId" | "phoneUser" | "uri"; value: string }, record = false) {
    await this.admin.client(RouteService).createInboundRoute({ route: { name: number, number, enabled: true, destination, record } });
    await this.settled();
  }
  /** All copies have the newest configuration: routes and queues are applied from events, asked back from their owners. */
  async settled() {
    await until("configuration applied", async () => (await this.admin.client(RouteService).listInboundRoutes({})).routes.length, (n) => n >= 0);
  }

  /** The agent's telephone, registered. */
  phoneOf(name: string, o: Partial<PhoneOptions> = {}): Promise<Phone> {
    const p = this.people[name]!;
    return Phone.start({ user: p.phone, password: PASSWORD, registrar: this.fleet.state.sip, ...o });
  }
  /** Signs the agent in with that telephone, ready. */
  async ready(name: string): Promise<void> {
    const p = this.people[name]!;
    await until(`${name} starts work`, () => p.session.client(WorkService).startWork({ device: Device.PHONE, phoneId: p.phoneId, presence: Presence.PHONE, state: AgentState.READY })
      .catch((e) => ({ status: undefined, e: String(e) })), (r) => r.status?.state === AgentState.READY);
  }
  async state(name: string): Promise<AgentState> {
    const r = await this.admin.client(RoutingService).getSnapshot({});
    return r.agents.find((a) => a.agentId === this.people[name]!.id)?.state ?? AgentState.UNSPECIFIED;
  }
  untilState(name: string, state: AgentState, seconds = 40) {
    return until(`${name} is ${AgentState[state]}`, () => this.state(name), (s) => s === state, seconds);
  }
  offline(name: string) { return this.people[name]!.session.client(WorkService).stopWork({}); }
  calls(name: string) { return this.people[name]!.session.client(CallService); }

  history(page = 50) { return this.admin.client(HistoryService).listInteractions({ page: { size: page } }); }
  /** The history row of a call, once it is complete. */
  async row(interactionId: string, ok: (i: any) => boolean = (i) => !!i.endedAt) {
    const r = await until(`history of ${interactionId}`, () => this.admin.client(HistoryService).getInteraction({ id: interactionId }).catch(() => null),
      (r) => !!r?.interaction && ok(r.interaction));
    return r!.interaction!;
  }
  /** The call's recording as a WAV file, once it is verified. */
  async recording(interactionId: string, path: string): Promise<{ durationMs: number; id: string }> {
    const { writeFileSync } = await import("node:fs");
    const list = await until("verified recording", () => this.admin.client(RecordingService).listRecordings({ interactionId }),
      (l) => l.recordings.length > 0 && l.recordings.every((r) => r.status === 2));
    const r = list.recordings[0]!;
    const res = await this.admin.fetch(`/api/recordings/${r.id}/audio`);
    if (res.status !== 200) throw new Error(`recording: ${res.status} ${await res.text()}`);
    writeFileSync(path, Buffer.from(await res.arrayBuffer()));
    return { durationMs: Number(r.durationMs), id: r.id };
  }
  events(): Promise<Events> { return Events.open(this.admin); }
}

/** A customer: a baresip on one of the carrier's ports. */
let carrier = 5080;
export async function customer(says?: string, user = "390432555077"): Promise<Phone> {
  for (let i = 0; i < 10; i++) {
    const port = carrier;
    carrier = carrier + 2 > 5088 ? 5080 : carrier + 2;
    try {
      return await Phone.start({ user, sipPort: port, says });
    } catch (e) {
      if (i === 9) throw e;
    }
  }
  throw new Error("no carrier port is free");
}
