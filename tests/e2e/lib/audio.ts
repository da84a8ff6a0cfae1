/** Speech for tests and the comparison of what was said with what was heard (sox reads and resamples, the comparison is here). */
import { execFileSync } from "node:child_process";

/** Speaks text into a WAV (8 kHz mono), then silence up to `total` seconds, so that a player never reaches the end. */
export function speak(path: string, text: string, voice: string, total = 300, lead = 0.3, rate = 8000): number {
  execFileSync("espeak-ng", ["-v", voice, "-s", "150", "-w", `${path}.raw.wav`, text]);
  execFileSync("sox", [`${path}.raw.wav`, "-r", String(rate), "-c", "1", "-b", "16", path, "norm", "-6", "pad", String(lead), String(total)]);
  const len = Number(execFileSync("soxi", ["-D", `${path}.raw.wav`]).toString());
  execFileSync("rm", [`${path}.raw.wav`]);
  return len + lead;
}

/** Samples of one channel (1 = left) as -1..1 at 8 kHz. */
export function samples(path: string, channel = 1): Float64Array {
  const raw = execFileSync("sox", [path, "-t", "s16", "-r", "8000", "-", "remix", String(channel)], { maxBuffer: 1 << 28 });
  const out = new Float64Array(raw.length >> 1);
  for (let i = 0; i < out.length; i++) out[i] = raw.readInt16LE(i * 2) / 32768;
  return out;
}
export const seconds = (path: string) => Number(execFileSync("soxi", ["-D", path]).toString());

const FRAME = 160;
function envelope(s: Float64Array): Float64Array {
  const e = new Float64Array(Math.floor(s.length / FRAME));
  for (let i = 0; i < e.length; i++) {
    let sum = 0;
    for (let k = 0; k < FRAME; k++) sum += s[i * FRAME + k]! ** 2;
    e[i] = Math.sqrt(sum / FRAME);
  }
  return e;
}

export interface Heard {
  /** Where in the heard file the said one begins, seconds. */
  offset: number;
  /** Of the waveforms at the best place, -1..1. */
  correlation: number;
  /** Heard level less said level over the speech, dB. */
  levelDb: number;
  /** Share of spoken 20 ms frames that were heard, and the longest run that was not, ms. */
  coverage: number;
  longestGapMs: number;
}

/** Finds said (its first `length` seconds of speech) in heard. The whole is placed by its envelope and then, second by second, to the
 *  sample: a jitter buffer may shift speech by a few packets at a pause, which nobody hears; what is missing or wrong is found. */
export function compare(said: Float64Array, heard: Float64Array, length: number): Heard {
  const src = said.subarray(0, Math.floor(length * 8000));
  const a = envelope(src), b = envelope(heard);
  let best = { score: -1, at: 0 };
  // Only where the whole of it fits: what was cut off at either end says nothing.
  for (let at = 0; at <= Math.max(0, b.length - a.length); at++) {
    let ab = 0, aa = 0, bb = 0;
    for (let i = 0; i < a.length; i++) {
      const y = b[at + i] ?? 0;
      ab += a[i]! * y; aa += a[i]! ** 2; bb += y ** 2;
    }
    const score = bb > 0 ? ab / Math.sqrt(aa * bb) : 0;
    if (score > best.score) best = { score, at };
  }
  const loud = Math.max(...a) * 0.1, WINDOW = 25, SHIFT = 6 * FRAME;
  let at = best.at * FRAME, spoken = 0, got = 0, run = 0, longest = 0, ea = 0, eb = 0, weight = 0, sum = 0;
  for (let w = 0; w < a.length; w += WINDOW) {
    const from = w * FRAME, to = Math.min(src.length, (w + WINDOW) * FRAME);
    let fine = { score: -2, at }, power = 0;
    for (let i = from; i < to; i++) power += src[i]! ** 2;
    if (power / (to - from) > loud * loud)
      for (let p = at - SHIFT; p <= at + SHIFT; p++) {
        let ab = 0, bb = 0;
        for (let i = from; i < to; i++) {
          const y = heard[p + i] ?? 0;
          ab += src[i]! * y; bb += y * y;
        }
        const score = ab / Math.sqrt(power * bb + 1e-12);
        if (score > fine.score) fine = { score, at: p };
      }
    if (fine.score > -2) {
      sum += fine.score * power; weight += power;
      if (fine.score > 0.5) at = fine.at;
    }
    for (let i = w; i < Math.min(a.length, w + WINDOW); i++) {
      if (a[i]! < loud) { run = 0; continue; }
      let e = 0;
      for (let k = 0; k < FRAME; k++) e += (heard[at + i * FRAME + k] ?? 0) ** 2;
      const y = Math.sqrt(e / FRAME);
      spoken++; ea += a[i]! ** 2; eb += y * y;
      if (y > a[i]! * 0.35) { got++; run = 0; } else { run++; longest = Math.max(longest, run); }
    }
  }
  return { offset: best.at * FRAME / 8000, correlation: sum / Math.max(weight, 1e-12), levelDb: 10 * Math.log10((eb + 1e-12) / (ea + 1e-12)),
    coverage: got / Math.max(1, spoken), longestGapMs: longest * 20 };
}

/** Throws with the figures when what was heard is not what was said: whole, without gaps, as loud. */
export function assertHeard(what: string, said: string, heard: string, length: number, o: { channel?: number; minCorrelation?: number } = {}): Heard {
  const h = compare(samples(said), samples(heard, o.channel ?? 1), length);
  const min = o.minCorrelation ?? 0.9;
  if (h.correlation < min || h.coverage < 0.97 || h.longestGapMs > 60 || Math.abs(h.levelDb) > 1.5)
    throw new Error(`${what}: heard is not what was said: ${JSON.stringify(h)} (${said} in ${heard})`);
  return h;
}
