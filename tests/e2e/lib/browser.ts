/** Headless Chromium as an agent's or a supervisor's computer. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type BrowserContext, type Page } from "playwright-core";

export interface BrowserOptions { speaks?: string; theme?: "light" | "dark"; width?: number; height?: number }

export class Desk {
  readonly page: Page;
  readonly errors: string[] = [];
  #context: BrowserContext;
  #dir: string;
  private constructor(context: BrowserContext, page: Page, dir: string) {
    this.#context = context;
    this.page = page;
    this.#dir = dir;
    page.on("pageerror", (e) => this.errors.push(String(e)));
    page.on("console", (m) => { if (m.type() === "error") this.errors.push(m.text()); });
  }

  static async open(base: string, o: BrowserOptions = {}): Promise<Desk> {
    const dir = mkdtempSync(join(tmpdir(), "parley-chromium-"));
    const context = await chromium.launchPersistentContext(dir, {
      executablePath: "/usr/bin/chromium", headless: true, viewport: { width: o.width ?? 1440, height: o.height ?? 900 }, colorScheme: o.theme ?? "light",
      locale: "en-GB", timezoneId: "Europe/Rome", permissions: ["microphone", "notifications"],
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
        "--disable-sync", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--allow-loopback-in-peer-connection",
        "--autoplay-policy=no-user-gesture-required", ...(o.speaks ? [`--use-file-for-fake-audio-capture=${o.speaks}`] : [])],
    });
    // What the page hears can then be recorded without changing the page.
    await context.addInitScript(() => {
      const Real = window.RTCPeerConnection;
      (window as any).heardTracks = [];
      window.RTCPeerConnection = class extends Real {
        constructor(...a: any[]) {
          super(...a);
          this.addEventListener("track", (e) => (window as any).heardTracks.push(e.track));
        }
      } as typeof RTCPeerConnection;
    });
    const page = context.pages()[0] ?? (await context.newPage());
    const d = new Desk(context, page, dir);
    await page.goto(base);
    return d;
  }
  async signIn(username: string, password: string) {
    await this.page.getByLabel("User").fill(username);
    await this.page.getByLabel("Password").fill(password);
    await this.page.getByRole("button", { name: "Sign in" }).click();
  }
  async startWork(device: string | RegExp = "This browser") {
    await this.page.getByRole("radio", { name: device }).check({ force: true });
    await this.page.getByRole("button", { name: "Start work" }).click();
    await this.page.getByRole("button", { name: /^Ready/ }).waitFor({ timeout: 30_000 });
  }
  /** PCM of what the newest remote track plays for some seconds, as a WAV file. */
  async hear(seconds: number, path: string) {
    const data: string = await this.page.evaluate(async (s) => {
      const track = (window as any).heardTracks.at(-1);
      const reader = new (window as any).MediaStreamTrackProcessor({ track: track.clone() }).readable.getReader();
      const parts: number[] = [];
      let rate = 48000;
      while (parts.length < s * rate) {
        const { value, done } = await reader.read();
        if (done) break;
        rate = value.sampleRate;
        const f = new Float32Array(value.numberOfFrames);
        value.copyTo(f, { planeIndex: 0, format: "f32-planar" });
        for (const x of f) parts.push(Math.max(-32768, Math.min(32767, Math.round(x * 32767))));
        value.close();
      }
      await reader.cancel();
      const bytes = new Uint8Array(new Int16Array(parts).buffer);
      let text = `${rate}:`;
      for (let i = 0; i < bytes.length; i += 32766) text += btoa(String.fromCharCode(...bytes.subarray(i, i + 32766)));
      return text;
    }, seconds);
    const rate = Number(data.slice(0, data.indexOf(":")));
    const pcm = Buffer.from(data.slice(data.indexOf(":") + 1), "base64");
    const h = Buffer.alloc(44);
    h.write("RIFF", 0); h.writeUInt32LE(36 + pcm.length, 4); h.write("WAVEfmt ", 8); h.writeUInt32LE(16, 16); h.writeUInt16LE(1, 20); h.writeUInt16LE(1, 22);
    h.writeUInt32LE(rate, 24); h.writeUInt32LE(rate * 2, 28); h.writeUInt16LE(2, 32); h.writeUInt16LE(16, 34); h.write("data", 36); h.writeUInt32LE(pcm.length, 40);
    writeFileSync(path, Buffer.concat([h, pcm]));
  }
  shot(path: string) { return this.page.screenshot({ path }); }
  async close() {
    await this.#context.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
