/** SIPp as callers, carriers and agents. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TOP } from "./fleet.ts";

export interface SippOptions {
  scenario: string;
  /** Where calls go ("127.0.0.1:5060"); absent for a UAS. */
  to?: string;
  service?: string;
  port: number;
  rate?: number;
  calls?: number;
  /** Length of <pause/>, ms. */
  pauseMs?: number;
  limit?: number;
  rtpPort?: number;
  more?: string[];
}
export interface SippCounts { successful: number; failed: number }

export class Sipp {
  static running = new Set<Sipp>();
  static async stopAll() { await Promise.all([...Sipp.running].map((s) => s.stop())); }

  readonly dir: string;
  #child: ChildProcess;
  #done: Promise<number>;
  #out = "";
  constructor(o: SippOptions, files: (dir: string) => void = () => {}) {
    this.dir = mkdtempSync(join(tmpdir(), "parley-sipp-"));
    files(this.dir);
    const argv = ["-sf", join(TOP, "tests/e2e/sipp", o.scenario), "-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", String(o.port),
      "-nostdin", "-trace_stat", "-fd", "1", "-trace_err", "-timeout", "600", "-recv_timeout", "170000"];
    if (o.to) argv.unshift(o.to);
    if (o.service) argv.push("-s", o.service);
    if (o.rate) argv.push("-r", String(o.rate));
    if (o.calls) argv.push("-m", String(o.calls));
    if (o.pauseMs) argv.push("-d", String(o.pauseMs));
    if (o.limit) argv.push("-l", String(o.limit));
    if (o.rtpPort) argv.push("-mp", String(o.rtpPort));
    this.#child = spawn("sipp", [...argv, ...(o.more ?? [])], { cwd: this.dir, stdio: ["ignore", "pipe", "pipe"] });
    Sipp.running.add(this);
    const keep = (b: Buffer) => { this.#out = (this.#out + b).slice(-8000); };
    this.#child.stdout!.on("data", keep);
    this.#child.stderr!.on("data", keep);
    this.#done = new Promise((ok) => this.#child.once("exit", (code) => ok(code ?? -1)));
  }
  /** Until all calls are made; 0: all went as the scenario says. */
  done(): Promise<number> { return this.#done; }
  /** Last line of SIPp's own statistics. */
  counts(): SippCounts {
    const f = readdirSync(this.dir).find((n) => n.endsWith("_.csv"));
    if (!f) return { successful: 0, failed: 0 };
    const lines = readFileSync(join(this.dir, f), "utf8").trim().split("\n");
    const names = lines[0]!.split(";"), last = lines.at(-1)!.split(";");
    const n = (k: string) => Number(last[names.indexOf(k)] ?? 0);
    return { successful: n("SuccessfulCall(C)"), failed: n("FailedCall(C)") };
  }
  errors(): string {
    const f = readdirSync(this.dir).filter((n) => n.endsWith("_errors.log"));
    return f.map((n) => readFileSync(join(this.dir, n), "utf8").slice(0, 3000)).join("\n") + this.#out.slice(-1500);
  }
  async stop() {
    Sipp.running.delete(this);
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill("SIGKILL");
    await this.#done;
    if (!process.env.PARLEY_KEEP) rmSync(this.dir, { recursive: true, force: true });
  }
}
