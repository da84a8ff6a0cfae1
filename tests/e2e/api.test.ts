/** The front door as an integrator and an attacker see it: sessions, cookies, roles, errors, the event stream. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { QueueService, WorkService } from "../gen/parley/acd/v1/acd_pb.js";
import { AuditService, AuthService, Role, UserService } from "../gen/parley/auth/v1/auth_pb.js";
import { Events, Session, until } from "./lib/api.ts";
import { Company, PASSWORD } from "./lib/company.ts";
import { Fleet } from "./lib/fleet.ts";

let fleet: Fleet, c: Company;
before(async () => {
  fleet = await Fleet.start({ copies: { api: 2 } });
  c = await Company.make(fleet, { queues: [{ key: "support" }], agents: { marta: ["support"] }, supervisors: ["federica"] });
});
after(() => fleet?.stop());

const post = (path: string, body: string, headers: Record<string, string> = {}) =>
  fetch(`${fleet.state.web}/api/${path}`, { method: "POST", body, headers: { "Content-Type": "application/json", Origin: fleet.state.web, ...headers } });
const code = async (p: Promise<unknown>): Promise<Code | "ok"> => p.then(() => "ok" as const, (e) => ConnectError.from(e).code);

describe("sessions", () => {
  test("the cookie is HttpOnly and SameSite=Strict, and the token is not in the body", async () => {
    const r = await post("parley.auth.v1.AuthService/Login", JSON.stringify({ username: "marta", password: PASSWORD }));
    assert.equal(r.status, 200);
    const cookie = r.headers.get("set-cookie")!;
    for (const flag of ["HttpOnly", "SameSite=Strict", "Path=/"]) assert.match(cookie, new RegExp(flag));
    const body: any = await r.json();
    assert.equal(body.token ?? "", "");
    assert.equal(body.user.username, "marta");
  });
  test("after logout the session is refused by every api, also by one that has seen it before", async () => {
    const s = await Session.login(fleet.state.web, "marta", PASSWORD);
    const other = new Session(`http://${fleet.state.host}:${fleet.state.ports["web-2"]}`);
    other.cookie = s.cookie;
    await other.client(AuthService).getMe({});
    const cookie = s.cookie;
    await s.client(AuthService).logout({});
    s.cookie = cookie;
    for (const x of [s, other]) await until("refused", () => code(x.client(AuthService).getMe({})), (k) => k === Code.Unauthenticated, 5);
  });
  test("a wrong password is refused without saying what was wrong, and too many are throttled", async () => {
    const tell = async (username: string) => {
      const e = ConnectError.from(await Session.login(fleet.state.web, username, "Wrong-1234x").catch((x) => x));
      return `${e.code} ${e.rawMessage}`;
    };
    assert.equal(await tell("federica"), await tell("nobody"));
    let throttled = false;
    for (let i = 0; i < 30 && !throttled; i++) throttled = (await code(Session.login(fleet.state.web, "federica", "Wrong-1234x"))) === Code.ResourceExhausted;
    assert.ok(throttled, "30 wrong passwords were all checked");
  });
  test("without a session nothing is told", async () => {
    assert.equal(await code(new Session(fleet.state.web).client(QueueService).listQueues({})), Code.Unauthenticated);
    assert.equal((await fetch(`${fleet.state.web}/api/events`)).status, 401);
    assert.equal((await fetch(`${fleet.state.web}/api/recordings/0193f0a1-0000-7000-8000-000000000000/audio`)).status, 401);
  });
  test("a request from another site is refused", async () => {
    const r = await post("parley.auth.v1.AuthService/GetMe", "{}", { Cookie: c.admin.cookie, Origin: "https://evil.example" });
    assert.equal(r.status, 403);
  });
});

describe("roles", () => {
  test("an agent works but does not configure; a supervisor reads; an administrator does all", async () => {
    const agent = c.people.marta!.session;
    const supervisor = c.people.federica!.session;
    assert.equal(await code(agent.client(WorkService).getMyWork({})), "ok");
    assert.equal(await code(agent.client(QueueService).createQueue({ queue: { name: "x" } })), Code.PermissionDenied);
    assert.equal(await code(agent.client(UserService).listUsers({})), Code.PermissionDenied);
    assert.equal(await code(supervisor.client(QueueService).listQueues({})), "ok");
    assert.equal(await code(supervisor.client(UserService).createUser({ user: { username: "x1", role: Role.ADMIN }, password: PASSWORD })), Code.PermissionDenied);
    assert.equal(await code(c.admin.client(UserService).listUsers({})), "ok");
  });
  test("services for services are not there for people", async () => {
    const r = await post("parley.auth.v1.SessionInternalService/CheckSession", "{}", { Cookie: c.admin.cookie });
    assert.equal(r.status, 404);
  });
  test("what was done is in the audit log", async () => {
    const { entries } = await c.admin.client(AuditService).listAuditEntries({ page: { size: 200 } });
    const actions = new Set(entries.map((e) => e.action));
    for (const a of ["login", "login.failed", "logout", "user.create"]) assert.ok(actions.has(a), `${a} in ${[...actions]}`);
    assert.ok(!JSON.stringify(entries, (_, v) => (typeof v === "bigint" ? String(v) : v)).includes(PASSWORD));
  });
});

describe("bad input", () => {
  test("says what is wrong and where", async () => {
    const e = ConnectError.from(await c.admin.client(QueueService).createQueue({ queue: { name: "", ringTimeoutMs: 5 } }).catch((x) => x));
    assert.equal(e.code, Code.InvalidArgument);
    assert.match(JSON.stringify(e.details), /queue\./);
  });
  for (const [what, body, status] of [["no JSON", "{", 400], ["an unknown field", '{"nonsense":1}', 400], ["a wrong type", '{"page":{"size":"many"}}', 400]] as const)
    test(`${what}: ${status}`, async () => {
      const r = await post("parley.auth.v1.UserService/ListUsers", body, { Cookie: c.admin.cookie });
      assert.equal(r.status, status);
      assert.equal(((await r.json()) as any).code, "invalid_argument");
    });
  test("an unknown method is 404, an oversized body 413", async () => {
    assert.equal((await post("parley.acd.v1.QueueService/Explode", "{}", { Cookie: c.admin.cookie })).status, 404);
    assert.equal((await post("parley.acd.v1.QueueService/ListQueues", JSON.stringify({ x: "y".repeat(5 << 20) }), { Cookie: c.admin.cookie }).catch(() => ({ status: 413 }))).status, 413);
  });
});

test("under TLS the cookie is Secure, and plain HTTP is not spoken", { timeout: 60_000 }, async () => {
  const dir = mkdtempSync(join(tmpdir(), "parley-tls-"));
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
    "-keyout", join(dir, "key.pem"), "-out", join(dir, "cert.pem")], { stdio: "ignore" });
  const tls = await Fleet.start({ services: ["auth", "api"], option: { api: [`--tls-cert=${join(dir, "cert.pem")}`, `--tls-key=${join(dir, "key.pem")}`] } });
  try {
    const port = tls.state.ports.web!, body = JSON.stringify({ username: tls.state.admin.username, password: tls.state.admin.password });
    const cookie = await new Promise<string>((ok, fail) => {
      const r = request({ host: "127.0.0.1", port, path: "/api/parley.auth.v1.AuthService/Login", method: "POST", rejectUnauthorized: false,
        headers: { "Content-Type": "application/json", Origin: `https://127.0.0.1:${port}` } },
        (res) => { res.resume(); res.on("end", () => ok(`${res.statusCode} ${res.headers["set-cookie"]}`)); });
      r.on("error", fail);
      r.end(body);
    });
    assert.match(cookie, /^200 /);
    for (const flag of ["Secure", "HttpOnly", "SameSite=Strict"]) assert.match(cookie, new RegExp(flag));
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
  } finally {
    await tls.stop();
    rmSync(dir, { recursive: true });
  }
});

describe("the event stream", () => {
  test("a client that was away gets exactly what it missed", async () => {
    const a = await Events.open(c.admin);
    await c.addQueue({ key: "one" });
    await a.ledger("QueueChanged", (e) => e.queue.name === "one");
    await a.close();
    await c.addQueue({ key: "two" });
    await c.addQueue({ key: "three" });
    const b = await Events.open(c.admin, a.lastId);
    await b.ledger("QueueChanged", (e) => e.queue.name === "three");
    const names = b.seen.filter((e) => e.data?.type?.endsWith(".QueueChanged")).map((e) => e.data.event.queue.name);
    assert.deepEqual(names, ["two", "three"]);
    const ids = b.seen.filter((e) => e.id).map((e) => Number(e.id));
    assert.ok(ids.every((n, i) => n > Number(a.lastId) && (i === 0 || n > ids[i - 1]!)));
    await b.close();
  });
  test("an agent sees no event of others", async () => {
    const e = await Events.open(c.people.marta!.session);
    await c.admin.client(UserService).listUsers({});
    await c.addQueue({ key: "four" });
    await e.wait("a beat", (x) => x.name === "beat", 15);
    const foreign = e.seen.filter((x) => x.name === "ledger" && x.data.event.meta.agentId && x.data.event.meta.agentId !== c.people.marta!.id);
    assert.deepEqual(foreign, []);
    await e.close();
  });
});
