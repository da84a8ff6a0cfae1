/** The generated client with a session, as an integrator would use it. */
import { createClient, type Client, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { DescService } from "@bufbuild/protobuf";
import { AuthService, UserService, Role } from "../../gen/parley/auth/v1/auth_pb.js";

export class Session {
  cookie = "";
  readonly base: string;
  #transport;
  constructor(base: string, json = true) {
    this.base = base;
    const keep: Interceptor = (next) => async (req) => {
      if (this.cookie) req.header.set("Cookie", this.cookie);
      req.header.set("Origin", base);
      const res = await next(req);
      const set = res.header.get("set-cookie");
      if (set) this.cookie = set.split(";")[0]!;
      return res;
    };
    this.#transport = createConnectTransport({ baseUrl: `${base}/api`, httpVersion: "1.1", useBinaryFormat: !json, interceptors: [keep] });
  }
  client<T extends DescService>(service: T): Client<T> { return createClient(service, this.#transport); }

  static async login(base: string, username: string, password: string): Promise<Session> {
    const s = new Session(base);
    await s.client(AuthService).login({ username, password });
    return s;
  }
  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(this.base + path, { ...init, headers: { ...(init.headers ?? {}), Cookie: this.cookie, Origin: this.base } });
  }
}

export interface StreamEvent { name: string; id: string; data: any }

/** Reads GET /api/events; wait() finds an event by what it says, also among those already seen. */
export class Events {
  seen: StreamEvent[] = [];
  lastId = "";
  #waiting = new Set<() => void>();
  #abort = new AbortController();
  #done: Promise<void>;
  private constructor(done: (e: Events) => Promise<void>) { this.#done = done(this); }

  static async open(s: Session, lastId = ""): Promise<Events> {
    let ready: () => void, failed: (e: Error) => void;
    const open = new Promise<void>((ok, no) => { ready = ok; failed = no; });
    const ev = new Events(async (self) => {
      try {
        const res = await s.fetch("/api/events", { headers: lastId ? { "Last-Event-ID": lastId } : {}, signal: self.#abort.signal });
        if (res.status !== 200) throw new Error(`GET /api/events: ${res.status} ${await res.text()}`);
        ready();
        let text = "";
        for await (const chunk of res.body!.pipeThrough(new TextDecoderStream())) {
          text += chunk;
          for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) self.#block(text.slice(0, end));
        }
      } catch (e) {
        if (!self.#abort.signal.aborted) failed(e as Error);
      }
    });
    await open;
    return ev;
  }
  #block(block: string) {
    const f: Record<string, string> = {};
    for (const line of block.split("\n")) {
      const m = /^(event|id|data): ?(.*)$/.exec(line);
      if (m) f[m[1]!] = (f[m[1]!] ?? "") + m[2];
    }
    if (!f.data) return;
    const e = { name: f.event ?? "message", id: f.id ?? "", data: JSON.parse(f.data) };
    if (e.id) this.lastId = e.id;
    this.seen.push(e);
    for (const w of [...this.#waiting]) w();
  }
  async wait(what: string, match: (e: StreamEvent) => boolean, seconds = 30): Promise<StreamEvent> {
    const find = () => this.seen.find(match);
    const hit = find();
    if (hit) return hit;
    return new Promise((ok, fail) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        fail(new Error(`${what} did not come within ${seconds} s; seen: ${this.seen.map((e) => e.data?.type ?? e.name).slice(-30).join(", ")}`));
      }, seconds * 1000);
      const look = () => {
        const e = find();
        if (!e) return;
        clearTimeout(timer);
        this.#waiting.delete(look);
        ok(e);
      };
      this.#waiting.add(look);
    });
  }
  /** A ledger event by its short type, e.g. "CallEnded". */
  ledger(type: string, match: (event: any) => boolean = () => true, seconds = 30): Promise<StreamEvent> {
    return this.wait(type, (e) => e.name === "ledger" && e.data.type.endsWith(`.${type}`) && match(e.data.event), seconds);
  }
  async close() {
    this.#abort.abort();
    await this.#done;
  }
}

/** Asks until the answer satisfies; for what is written a moment later (history rows). */
export async function until<T>(what: string, ask: () => Promise<T>, ok: (t: T) => boolean, seconds = 40): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const t = await ask();
    if (ok(t)) return t;
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s; last: ${JSON.stringify(t, (_, v) => (typeof v === "bigint" ? String(v) : v)).slice(0, 600)}`);
    await new Promise((r) => setTimeout(r, 100));
  }
}

export async function makeUser(admin: Session, username: string, fullName: string, role: Role, password: string): Promise<string> {
  const r = await admin.client(UserService).createUser({ user: { username, fullName, role, enabled: true }, password });
  return r.user!.id;
}
