/** A baresip telephone driven by its TCP control interface; what it says is a WAV file, what it hears and says is kept. */
import { spawn, type ChildProcess } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface PhoneOptions {
  user: string;
  password?: string;
  /** host:port of the registrar; without it the phone does not register. */
  registrar?: string;
  sipPort?: number;
  says?: string;
  codecs?: string;
  autoAnswer?: boolean;
  transport?: "udp" | "tcp";
}
export interface PhoneEvent { type: string; class: string; id?: string; param?: string; peeruri?: string; direction?: string }

async function freePort(from: number): Promise<number> {
  for (let p = from; p < from + 2000; p += 10) {
    const ok = await new Promise<boolean>((done) => {
      const u = createSocket("udp4").once("error", () => done(false));
      u.bind(p, "127.0.0.1", () => u.close(() => {
        const t = createServer().once("error", () => done(false));
        t.listen(p, "127.0.0.1", () => t.close(() => done(true)));
      }));
    });
    if (ok) return p;
  }
  throw new Error(`no free port from ${from}`);
}

let nextSip = 30000 + (process.pid % 10) * 200;

export class Phone {
  events: PhoneEvent[] = [];
  /** All that run: a test that failed leaves its phones to Phone.stopAll(). */
  static running = new Set<Phone>();
  static async stopAll() { await Promise.all([...Phone.running].map((p) => p.stop())); }

  readonly dir: string;
  readonly sipPort: number;
  #child!: ChildProcess;
  #ctrl!: Socket;
  #waiting = new Set<() => void>();
  #taken = 0;
  #user: string;

  private constructor(dir: string, sipPort: number, user: string) {
    this.dir = dir;
    this.sipPort = sipPort;
    this.#user = user;
  }

  static async start(o: PhoneOptions): Promise<Phone> {
    const dir = mkdtempSync(join(tmpdir(), `parley-phone-${o.user}-`));
    const sip = o.sipPort ?? (await freePort((nextSip += 10)));
    const ctrl = await freePort(sip + 20000);
    const p = new Phone(dir, sip, o.user);
    mkdirSync(join(dir, "snd"));
    const rtp = 40000 + ((sip * 7) % 2000) * 10;
    writeFileSync(join(dir, "config"), `poll_method epoll
sip_listen 127.0.0.1:${sip}
net_interface 127.0.0.1
call_local_timeout 300
call_max_calls 4
audio_player aufile,${dir}/alert.wav
audio_source aufile,${o.says ?? join(dir, "silence.wav")}
audio_alert aufile,${dir}/alert.wav
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_buffer 20-160
rtp_ports ${rtp}-${rtp + 8}
rtcp_mux no
jitter_buffer_type fixed
jitter_buffer_delay 2-10
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module sndfile.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:${ctrl}
snd_path ${dir}/snd
`);
    writeFileSync(join(dir, "silence.wav"), silence(600));
    const host = o.registrar ?? `127.0.0.1:${sip}`;
    const params = [`regint=${o.registrar ? 60 : 0}`, `audio_codecs=${o.codecs ?? "PCMA/8000/1,PCMU/8000/1"}`];
    if (o.password) params.push(`auth_pass=${o.password}`);
    if (o.autoAnswer) params.push("answermode=auto");
    const tp = o.transport === "tcp" ? ";transport=tcp" : "";
    writeFileSync(join(dir, "accounts"), `<sip:${o.user}@${host}${tp}>;${params.join(";")}\n`);
    writeFileSync(join(dir, "contacts"), "");
    p.#child = spawn("baresip", ["-f", dir], { stdio: ["ignore", "pipe", "pipe"], cwd: dir });
    Phone.running.add(p);
    const log: Buffer[] = [];
    const keep = (b: Buffer) => { if (log.length < 4000) log.push(b); };
    p.#child.stdout!.on("data", keep);
    p.#child.stderr!.on("data", keep);
    p.log = () => Buffer.concat(log).toString();
    await p.#connect(ctrl);
    if (o.registrar) await p.#registered();
    return p;
  }
  log: () => string = () => "";

  /** The first registration may be over before the control connection stands: its log tells. */
  async #registered() {
    const end = Date.now() + 30_000;
    while (!/200 OK .*binding/.test(this.log())) {
      if (Date.now() > end) throw new Error(`phone ${this.#user} did not register: ${this.log().slice(-600)}`);
      await new Promise((r) => setTimeout(r, 50));
    }
  }

  async #connect(port: number) {
    const end = Date.now() + 20000;
    for (;;) {
      const s = await new Promise<Socket | null>((done) => {
        const c = connect(port, "127.0.0.1", () => done(c)).once("error", () => done(null));
      });
      if (s) { this.#ctrl = s; break; }
      if (Date.now() > end) throw new Error(`baresip ${this.#user} did not start: ${this.log().slice(-800)}`);
      await new Promise((r) => setTimeout(r, 30));
    }
    let buf = Buffer.alloc(0);
    this.#ctrl.on("error", () => {});
    this.#ctrl.on("data", (d) => {
      buf = Buffer.concat([buf, d]);
      for (;;) {
        const colon = buf.indexOf(58);
        if (colon < 0) return;
        const n = Number(buf.subarray(0, colon).toString());
        if (buf.length < colon + n + 2) return;
        const m = JSON.parse(buf.subarray(colon + 1, colon + 1 + n).toString());
        buf = buf.subarray(colon + n + 2);
        if (m.event) {
          this.events.push(m);
          for (const w of [...this.#waiting]) w();
        }
      }
    });
  }
  cmd(command: string, params = ""): void {
    const m = JSON.stringify({ command, params });
    this.#ctrl.write(`${Buffer.byteLength(m)}:${m},`);
  }
  /** The next event of the type that nobody waited for yet. */
  wait(type: string, seconds = 30): Promise<PhoneEvent> {
    return new Promise((ok, fail) => {
      const look = () => {
        const i = this.events.findIndex((e, k) => k >= this.#taken && e.type === type);
        if (i < 0) return;
        this.#taken = i + 1;
        clearTimeout(timer);
        this.#waiting.delete(look);
        ok(this.events[i]!);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        fail(new Error(`phone ${this.#user}: no ${type} within ${seconds} s; events: ${this.events.map((e) => e.type).join(", ")}\n${this.log().slice(-600)}`));
      }, seconds * 1000);
      this.#waiting.add(look);
      look();
    });
  }
  dial(uri: string) { this.cmd("dial", uri); }
  answer() { this.cmd("accept"); }
  hangup() { this.cmd("hangup"); }
  digits(d: string) { for (const c of d) this.cmd("sndcode", c); }
  hold() { this.cmd("hold"); }
  resume() { this.cmd("resume"); }
  ringing() { return this.wait("CALL_INCOMING"); }
  established() { return this.wait("CALL_ESTABLISHED"); }
  closed(seconds = 30) { return this.wait("CALL_CLOSED", seconds); }

  /** WAV files of finished calls, oldest first: what was heard (dec) or said (enc). */
  heard(): string[] { return this.#dumps("dec"); }
  said(): string[] { return this.#dumps("enc"); }
  #dumps(kind: string) {
    return readdirSync(join(this.dir, "snd")).filter((f) => f.endsWith(`-${kind}.wav`)).sort().map((f) => join(this.dir, "snd", f));
  }
  async stop() {
    Phone.running.delete(this);
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const done = new Promise((r) => this.#child.once("exit", r));
      if (this.#ctrl) this.cmd("quit");
      else this.#child.kill("SIGKILL");
      const timer = setTimeout(() => this.#child.kill("SIGKILL"), 5000);
      await done;
      clearTimeout(timer);
    }
    this.#ctrl?.destroy();
    if (!process.env.PARLEY_KEEP) rmSync(this.dir, { recursive: true, force: true });
  }
}

function silence(seconds: number): Buffer {
  const data = Buffer.alloc(8000 * 2 * seconds);
  const h = Buffer.alloc(44);
  h.write("RIFF", 0); h.writeUInt32LE(36 + data.length, 4); h.write("WAVEfmt ", 8); h.writeUInt32LE(16, 16);
  h.writeUInt16LE(1, 20); h.writeUInt16LE(1, 22); h.writeUInt32LE(8000, 24); h.writeUInt32LE(16000, 28);
  h.writeUInt16LE(2, 32); h.writeUInt16LE(16, 34); h.write("data", 36); h.writeUInt32LE(data.length, 40);
  return Buffer.concat([h, data]);
}
export const readWav = (path: string) => readFileSync(path);
