"""Makes the music on hold of the demo: a quiet piece computed here, so that nobody's rights are concerned.

usage: music.py OUT.wav      16-bit mono, 16 kHz, 48 s; ends where it begins, so that it loops without a gap.
"""
import array
import math
import sys
import wave

RATE = 16000
BEAT = 0.6
CHORDS = [(220.0, 261.63, 329.63), (174.61, 220.0, 261.63), (261.63, 329.63, 392.0), (196.0, 246.94, 293.66)] * 5
TUNE = [659.25, 523.25, 587.33, 493.88, 523.25, 440.0, 493.88, 392.0]


def tone(buf, start, seconds, hz, level, attack):
    """Adds a soft string-like note, wrapping round the end."""
    n, at = int(seconds * RATE), int(start * RATE)
    for i in range(n):
        t = i / RATE
        env = min(1.0, t / attack) * math.exp(-2.2 * t / seconds)
        v = math.sin(2 * math.pi * hz * t) + 0.35 * math.sin(4 * math.pi * hz * t) + 0.12 * math.sin(6 * math.pi * hz * t)
        buf[(at + i) % len(buf)] += level * env * v


def main():
    buf = [0.0] * int(len(CHORDS) * 4 * BEAT * RATE)
    for bar, chord in enumerate(CHORDS):
        for k, hz in enumerate(chord):
            tone(buf, bar * 4 * BEAT + k * BEAT * 0.5, 4 * BEAT, hz, 0.10, 0.02)
        tone(buf, bar * 4 * BEAT, 4 * BEAT, chord[0] / 2, 0.12, 0.05)
        for half in range(2):
            tone(buf, (bar * 4 + half * 2 + 1) * BEAT, 2 * BEAT, TUNE[(bar * 2 + half * 3) % len(TUNE)], 0.07, 0.03)
    # Average -20 dBFS: as loud as speech on a telephone, no louder.
    rms = math.sqrt(sum(v * v for v in buf) / len(buf))
    gain = 32767 * 0.1 / rms
    pcm = array.array("h", (max(-30000, min(30000, int(v * gain))) for v in buf))
    with wave.open(sys.argv[1], "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(RATE)
        w.writeframes(pcm.tobytes())


if __name__ == "__main__":
    main()
