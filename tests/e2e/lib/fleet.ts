/** A private Parley for one test file: deploy/local/fleet.py in serve mode, obeying commands. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const TOP = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
export const BUILD = process.env.PARLEY_BUILD ?? join(TOP, "build");

export interface State {
  dir: string;
  host: string;
  web: string;
  sip: string;
  ports: Record<string, number>;
  pids: Record<string, number>;
  health: Record<string, number>;
  started_s: number;
  admin: { username: string; password: string };
}
export interface FleetOptions {
  copies?: Record<string, number>;
  option?: Record<string, string[]>;
  services?: string[];
  logLevel?: string;
}

/** The demo's music on hold, made once a machine. */
function music(): string {
  const path = join(tmpdir(), "parley-test-music.wav");
  if (!existsSync(path)) {
    execFileSync("python3", [join(TOP, "deploy/demo/music.py"), `${path}.${process.pid}`]);
    renameSync(`${path}.${process.pid}`, path);
  }
  return path;
}

let rtpBase = 24000 + (process.pid % 4) * 8000;

export class Fleet {
  state!: State;
  readonly dir: string;
  #child: ChildProcess;
  #answers = new Map<number, (a: any) => void>();
  #next = 1;
  #gone = "";

  private constructor(child: ChildProcess, dir: string) {
    this.#child = child;
    this.dir = dir;
  }

  static async start(o: FleetOptions = {}): Promise<Fleet> {
    const dir = mkdtempSync(join(tmpdir(), "parley-e2e-"));
    mkdirSync(join(dir, "data/sounds/moh/default"), { recursive: true });
    copyFileSync(music(), join(dir, "data/sounds/moh/default/quiet.wav"));
    const argv = [join(TOP, "deploy/local/fleet.py"), "serve", "--dir", dir, "--build", BUILD, "--rtp-base", String(rtpBase),
      "--log-level", o.logLevel ?? "info", "--copies", JSON.stringify(o.copies ?? {}), "--option", JSON.stringify(o.option ?? {})];
    if (o.services) argv.push("--services", JSON.stringify(o.services));
    rtpBase += 4000;
    const child = spawn("python3", argv, { stdio: ["pipe", "pipe", "inherit"] });
    const fleet = new Fleet(child, dir);
    await new Promise<void>((ok, fail) => {
      child.once("exit", (code) => {
        fleet.#gone = `the fleet ended with code ${code}`;
        for (const a of fleet.#answers.values()) a({ ok: false, error: fleet.#gone });
        fail(new Error(fleet.#gone));
      });
      createInterface({ input: child.stdout! }).on("line", (line) => {
        const m = JSON.parse(line);
        if (m.state) fleet.state = m.state;
        if (m.ready) ok();
        fleet.#answers.get(m.id)?.(m);
        fleet.#answers.delete(m.id);
      });
    });
    return fleet;
  }

  do(what: string, more: object = {}): Promise<any> {
    if (this.#gone) return Promise.reject(new Error(this.#gone));
    const id = this.#next++;
    return new Promise((ok, fail) => {
      this.#answers.set(id, (a) => (a.ok ? ok(a) : fail(new Error(a.error))));
      this.#child.stdin!.write(JSON.stringify({ id, do: what, ...more }) + "\n");
    });
  }
  signal(proc: string, signal: string) { return this.do("signal", { proc, signal }); }
  kill(proc: string) { return this.signal(proc, "KILL"); }
  stopProc(proc: string) { return this.do("stop", { proc }); }
  startProc(proc: string) { return this.do("start", { proc }); }
  waitReady(...procs: string[]) { return this.do("wait", { procs }); }
  async sql(sql: string): Promise<string[][]> {
    const { out } = await this.do("psql", { sql });
    return out.split("\n").filter(Boolean).map((l: string) => l.split("|"));
  }
  async redis(...args: string[]): Promise<string> { return (await this.do("redis", { args })).out; }

  /** Value of one metric of a process (summed over labels), NaN when it is not there. */
  async metric(proc: string, name: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.state.health[proc]}/metrics`)).text();
    const hits = text.split("\n").filter((l) => l.startsWith(name) && /^[ {]/.test(l.slice(name.length)));
    return hits.length ? hits.reduce((s, l) => s + Number(l.slice(l.lastIndexOf(" ") + 1)), 0) : NaN;
  }
  /** CPU seconds of all our processes, the bus and the databases included. */
  cpuSeconds(): number {
    return Object.values(this.state.pids).reduce((s, pid) => s + cpuOf(pid), 0);
  }
  rssKb(proc: string): number {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.state.pids[proc]}/status`, "utf8"))?.[1] ?? 0);
  }
  log(proc: string): string { return readFileSync(join(this.dir, "logs", `${proc}.log`), "utf8"); }
  logs(): string[] { return readdirSync(join(this.dir, "logs")); }

  async stop(): Promise<void> {
    if (!this.#gone) {
      const done = new Promise((ok) => this.#child.once("exit", ok));
      this.#child.stdin!.end();
      await done;
    }
    if (!process.env.PARLEY_KEEP) rmSync(this.dir, { recursive: true, force: true });
  }
}

/** CPU seconds of a process and the children it has reaped or still has. */
export function cpuOf(pid: number): number {
  let ticks = 0;
  const one = (p: number | string, withDead: boolean) => {
    const f = readFileSync(`/proc/${p}/stat`, "utf8");
    const c = f.slice(f.lastIndexOf(")") + 2).split(" ").map(Number);
    return c[11] + c[12] + (withDead ? c[13] + c[14] : 0);
  };
  try {
    ticks += one(pid, true);
    for (const p of readdirSync("/proc")) {
      if (!/^\d+$/.test(p)) continue;
      try {
        const f = readFileSync(`/proc/${p}/stat`, "utf8");
        if (Number(f.slice(f.lastIndexOf(")") + 2).split(" ")[1]) === pid) ticks += one(p, true);
      } catch { /* it ended meanwhile */ }
    }
  } catch { /* gone */ }
  return ticks / 100;
}
