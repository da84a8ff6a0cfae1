/** Benchmarks of the whole fleet, each a ratio against a goal or a peer measured in the same run (docs/benchmarks.md). */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Company } from "../tests/e2e/lib/company.ts";
import { cpuOf, Fleet, TOP } from "../tests/e2e/lib/fleet.ts";
import { Sipp } from "../tests/e2e/lib/sipp.ts";
import { until } from "../tests/e2e/lib/api.ts";

const build = process.argv[2] ?? "build", only = process.argv[3] ?? "";
process.env.PARLEY_BUILD = join(TOP, build);
interface Figure { name: string; value: number; unit: string; against: string; ratio: number; goal: string; holds: boolean }
const figures: Figure[] = [];
function say(f: Figure) {
  const r = (n: number) => Number(n.toPrecision(4));
  f = { ...f, value: r(f.value), ratio: r(f.ratio) };
  figures.push(f);
  console.log(`${f.holds ? "holds " : "MISSED"} ${f.name}: ${f.value} ${f.unit}; ${f.ratio} of ${f.against}; goal ${f.goal}`);
}
const median = (x: number[]) => [...x].sort((a, b) => a - b)[x.length >> 1]!;
const quantile = (x: number[], q: number) => [...x].sort((a, b) => a - b)[Math.min(x.length - 1, Math.floor(x.length * q))]!;
const wants = (name: string) => !only || name.includes(only);
const sleep = (ms: number) => new Promise((r) => setTimeout(r, ms));
const own = (f: Fleet) => Object.keys(f.state.health);

async function start() {
  const t: number[] = [];
  let idle = 0;
  for (let i = 0; i < 3; i++) {
    const f = await Fleet.start({ logLevel: "warn" });
    t.push(f.state.started_s);
    if (i === 2) {
      await sleep(3000);
      idle = own(f).reduce((s, p) => s + f.rssKb(p), 0) / 1024;
    }
    await f.stop();
  }
  say({ name: "cold start, databases up", value: median(t), unit: "s", against: "goal", ratio: median(t) / 3, goal: "< 3 s", holds: median(t) < 3 });
  say({ name: "resident memory of the idle fleet", value: idle, unit: "MB", against: "goal", ratio: idle / 150, goal: "< 150 MB", holds: idle < 150 });
}

/** One round of two-leg calls through something at `to`; CPU seconds per 1,000 calls of `cpu`. */
async function twoLegs(to: string, cpu: () => number, port: number, calls: number, rate: number): Promise<number> {
  const uas = new Sipp({ scenario: "uas_stay.xml", port: 5090, rtpPort: 44000 });
  const before = cpu();
  const uac = new Sipp({ scenario: "uac_talk_silent.xml", to, service: "echo-7", port, rate, calls, pauseMs: 1000, limit: 3000, rtpPort: 46000 });
  const code = await uac.done();
  await sleep(1500);
  const used = cpu() - before;
  const n = uac.counts();
  if (code !== 0) console.log(uac.errors().slice(-1500));
  await uac.stop();
  await uas.stop();
  if (n.successful < calls * 0.999) throw new Error(`only ${n.successful} of ${calls} calls succeeded`);
  return (used / n.successful) * 1000;
}
async function sipCalls() {
  const f = await Fleet.start({ logLevel: "warn" });
  const kam = kamailio();
  try {
    const c = await Company.make(f, { queues: [] });
    await c.route("echo-*", { case: "uri", value: "sip:{rest}@127.0.0.1:5090" });
    await sleep(1000);
    const ours: number[] = [], theirs: number[] = [];
    await twoLegs(f.state.sip, () => f.cpuSeconds(), 5080, 200, 50);
    for (let i = 0; i < 3; i++) {
      ours.push(await twoLegs(f.state.sip, () => f.cpuSeconds(), 5080, 3000, 200));
      if (kam) theirs.push(await twoLegs(`127.0.0.1:${kam.port}`, kam.cpu, 5082, 3000, 200));
    }
    const v = median(ours);
    say({ name: "two-leg calls, CPU per 1,000", value: v, unit: "CPU-s", against: "goal of 0.75", ratio: v / 0.75, goal: "<= 0.75 CPU-s", holds: v <= 0.75 });
    if (kam) say({ name: "two-leg calls against Kamailio as stateful proxy", value: v, unit: "CPU-s per 1,000", against: `Kamailio (${median(theirs).toPrecision(3)} CPU-s)`, ratio: v / median(theirs), goal: "<= 1.3 times", holds: v / median(theirs) <= 1.3 });
  } finally {
    kam?.stop();
    await f.stop();
  }
}
function kamailio(): { port: number; cpu: () => number; stop: () => void } | null {
  if (!existsSync("/usr/sbin/kamailio")) return null;
  const dir = mkdtempSync(join(tmpdir(), "parley-kamailio-"));
  const port = 5062;
  const p: ChildProcess = spawn("/usr/sbin/kamailio", ["-f", join(TOP, "bench/kamailio.cfg"), "-DD", "-E", "-Y", dir, "-P", join(dir, "pid"), "-l", `udp:127.0.0.1:${port}`, "-m", "512"], { stdio: "ignore" });
  return { port, cpu: () => cpuOf(p.pid!), stop: () => { p.kill("SIGTERM"); rmSync(dir, { recursive: true, force: true }); } };
}

async function queueCalls() {
  const f = await Fleet.start({ logLevel: "warn" });
  const uas = new Sipp({ scenario: "uas_stay.xml", port: 5070, rtpPort: 44000 });
  try {
    const c = await Company.make(f, { queues: [{ key: "q", more: { record: false } }] });
    await c.addStatic(400, (i) => `sip:m${i}@127.0.0.1:5070`, ["q"]);
    await c.route("3000", { case: "queueId", value: c.queues.q! });
    await sleep(2000);
    const per: number[] = [];
    let idleKb = 0, upKb = 0, most = 0;
    for (let i = 0; i < 3; i++) {
      const kb = () => own(f).reduce((s, p) => s + f.rssKb(p), 0);
      idleKb = kb();
      const before = f.cpuSeconds();
      const uac = new Sipp({ scenario: "uac_talk_silent.xml", to: f.state.sip, service: "3000", port: 5080, rate: 50, calls: 1000, pauseMs: 5000, limit: 1000, rtpPort: 46000 });
      await sleep(12_000);
      upKb = kb();
      most = 250;
      const code = await uac.done();
      if (code) console.log(uac.errors().slice(-1500));
      await sleep(2000);
      per.push(((f.cpuSeconds() - before) / Math.max(1, uac.counts().successful)) * 1000);
      await uac.stop();
    }
    const v = median(per);
    say({ name: "queue calls (5 s talk, 50 a second), CPU per 1,000", value: v, unit: "CPU-s", against: "goal of 2", ratio: v / 2, goal: "<= 2 CPU-s", holds: v <= 2 });
    const each = Math.max(0, upKb - idleKb) / most;
    say({ name: "memory a call, all services", value: each, unit: "kB", against: "goal of 30", ratio: each / 30, goal: "< 30 kB", holds: each < 30 });
  } finally {
    await uas.stop();
    await f.stop();
  }
}

/** A telephone in a few lines that notes when it became free and when the next INVITE came. */
class StopwatchAgent {
  waits: number[] = [];
  #s: Socket = createSocket("udp4");
  #freed = new Map<string, number>();
  readonly port: number;
  readonly talkMs: number;
  constructor(port: number, talkMs: number) {
    this.port = port;
    this.talkMs = talkMs;
    this.#s.on("message", (b, r) => this.#on(b.toString(), r.port, r.address));
    this.#s.bind(port, "127.0.0.1");
  }
  #on(m: string, port: number, host: string) {
    const h = (n: string) => new RegExp(`^${n}: *(.*)$`, "im").exec(m)?.[1]?.trim() ?? "";
    const copy = `Via: ${m.match(/^Via: *(.*)$/gim)!.map((v) => v.replace(/^Via: */i, "")).join("\r\nVia: ")}\r\nFrom: ${h("From")}\r\nCall-ID: ${h("Call-ID")}\r\nCSeq: ${h("CSeq")}\r\n`;
    const member = /^(?:INVITE|BYE|ACK) sip:([^@]+)@/.exec(m)?.[1] ?? "";
    const send = (t: string) => this.#s.send(t, port, host);
    if (m.startsWith("INVITE ")) {
      const at = performance.now(), freed = this.#freed.get(member);
      if (freed !== undefined) this.waits.push(at - freed);
      this.#freed.delete(member);
      const to = `To: ${h("To")};tag=x${Math.random().toString(36).slice(2)}`;
      const contact = `Contact: <sip:${member}@127.0.0.1:${this.port}>\r\n`;
      const sdp = `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio ${this.port + 2} RTP/AVP 8\r\n`;
      send(`SIP/2.0 200 OK\r\n${copy}${to}\r\n${contact}Content-Type: application/sdp\r\nContent-Length: ${sdp.length}\r\n\r\n${sdp}`);
      const target = /<([^>]+)>/.exec(h("Contact"))?.[1] ?? "";
      setTimeout(() => {
        send(`BYE ${target} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${this.port};branch=z9hG4bK${Math.random().toString(36).slice(2)}\r\nMax-Forwards: 70\r\nFrom: ${to.slice(4)}\r\nTo: ${h("From")}\r\nCall-ID: ${h("Call-ID")}\r\nCSeq: 1 BYE\r\nX-Member: ${member}\r\nContent-Length: 0\r\n\r\n`);
        this.#freed.set(member, performance.now());
      }, this.talkMs);
    } else if (m.startsWith("BYE ") || m.startsWith("OPTIONS ")) send(`SIP/2.0 200 OK\r\n${copy}To: ${h("To")}\r\nContent-Length: 0\r\n\r\n`);
  }
  close() { this.#s.close(); }
}
async function freeToInvite() {
  const f = await Fleet.start({ logLevel: "warn" });
  const agent = new StopwatchAgent(5072, 300);
  try {
    const c = await Company.make(f, { queues: [{ key: "q", more: { record: false, retryMs: 0, wrapUpMs: 0 } }] });
    await c.route("3000", { case: "queueId", value: c.queues.q! });
    const callers = new Sipp({ scenario: "uac_wait.xml", to: f.state.sip, service: "3000", port: 5080, rate: 50, calls: 1200, limit: 2000, rtpPort: 46000 });
    await until("1,000 wait", async () => f.metric("acd-router-1", "parley_acd_router_waiting"), (n) => n >= 1000, 120);
    await c.addStatic(5, (i) => `sip:m${i}@127.0.0.1:5072`, ["q"]);
    await until("1,000 offers", async () => agent.waits.length, (n) => n >= 1000, 180);
    const p50 = quantile(agent.waits, 0.5), p99 = quantile(agent.waits, 0.99);
    say({ name: "agent hangs up to next INVITE, 1,000 waiting, p50", value: p50, unit: "ms", against: "Asterisk's 296 ms (measured before)", ratio: p50 / 296, goal: "< 10 ms", holds: p50 < 10 });
    say({ name: "agent hangs up to next INVITE, 1,000 waiting, p99", value: p99, unit: "ms", against: "goal of 20", ratio: p99 / 20, goal: "< 20 ms", holds: p99 < 20 });
    await callers.stop();
  } finally {
    agent.close();
    await f.stop();
  }
}

/** Programs of single parts print their figures as JSON lines. */
function programs() {
  const found = execFileSync("find", [join(TOP, build), "-type", "f", "-perm", "-u+x", "-name", "*_bench"], { encoding: "utf8" }).split("\n").filter(Boolean).sort();
  for (const p of found) {
    if (!wants(p)) continue;
    const out = execFileSync(p, { encoding: "utf8", cwd: TOP, stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 26 });
    for (const line of out.split("\n")) if (line.startsWith("{")) say(JSON.parse(line));
  }
}

for (const [name, fn] of Object.entries({ start, sipCalls, queueCalls, freeToInvite, programs }))
  if (wants(name) || name === "programs") {
    try {
      await fn();
    } catch (e) {
      console.log(`${name} failed: ${e}`);
      process.exitCode = 1;
    }
  }
const file = join(TOP, build, "bench.json");
const old: Figure[] = only && existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : [];
writeFileSync(file, JSON.stringify([...old.filter((o) => !figures.some((f) => f.name === o.name)), ...figures], null, 1) + "\n");
