#!/usr/bin/env python3
"""A customer calls the running demo: a real SIP call by baresip, from the demo's carrier address, with a voice that speaks.

usage: call.py [--dir .run] [--number N] [--digit 1] [--seconds 60]
The caller chooses from the menu, waits in the queue, speaks when somebody answers, and hangs up at the end.
What the caller heard is kept as a WAV file, whose path is printed.
"""
import argparse
import glob
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
SPEECH = ("Hello, this is Giulia Ferraro from Udine. My internet connection has not worked since this morning, "
          "and the telephone is silent too. I have already switched the modem off and on, twice. "
          "The light called P O N is red, and it does not blink. Can you tell me when it will be repaired? I work from home.")


def free_pair(lo, hi):
    """A port in lo..hi free for UDP and TCP, and its successor for TCP (baresip opens TLS there)."""
    for p in range(lo, hi, 2):
        try:
            for kind, port in ((socket.SOCK_DGRAM, p), (socket.SOCK_STREAM, p), (socket.SOCK_STREAM, p + 1)):
                with socket.socket(socket.AF_INET, kind) as s:
                    s.bind(("127.0.0.1", port))
            return p
        except OSError:
            continue
    raise SystemExit(f"Ports {lo} to {hi} are all in use: is another call running?")


class Baresip:
    """One call by one baresip, driven over its TCP control interface (netstrings of JSON)."""

    def __init__(self, folder, sip, ctrl, wav):
        self.dir, self.buf, self.sock = folder, b"", None
        os.makedirs(os.path.join(folder, "snd"))
        with open(os.path.join(folder, "config"), "w", encoding="utf-8") as f:
            f.write(f"""poll_method epoll
sip_listen 127.0.0.1:{sip}
net_interface 127.0.0.1
audio_player aufile,{folder}/alert.wav
audio_source aufile,{wav}
audio_alert aufile,{folder}/alert.wav
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
rtp_ports {41000 + (sip % 100) * 10}-{41008 + (sip % 100) * 10}
jitter_buffer_type fixed
jitter_buffer_delay 2-10
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module sndfile.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{ctrl}
snd_path {folder}/snd
""")
        with open(os.path.join(folder, "accounts"), "w", encoding="utf-8") as f:
            f.write(f"\"Giulia Ferraro\" <sip:+393475550182@127.0.0.1:{sip}>;regint=0;audio_codecs=PCMA/8000/1\n")
        open(os.path.join(folder, "contacts"), "w", encoding="utf-8").close()
        self.log = open(os.path.join(folder, "baresip.log"), "wb")
        self.proc = subprocess.Popen(["baresip", "-f", folder], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=folder)
        end = time.monotonic() + 15
        while self.sock is None:
            try:
                self.sock = socket.create_connection(("127.0.0.1", ctrl), 1)
            except OSError:
                if time.monotonic() > end or self.proc.poll() is not None:
                    raise SystemExit(f"baresip did not start; its log: {folder}/baresip.log") from None
                time.sleep(0.05)

    def cmd(self, command, params=""):
        m = json.dumps({"command": command, "params": params}).encode()
        self.sock.sendall(b"%d:%s," % (len(m), m))

    def events(self, seconds):
        """Yields events until none has come for the rest of the time; None once per quarter second of silence."""
        end = time.monotonic() + seconds
        self.sock.settimeout(0.25)
        while time.monotonic() < end:
            while b":" in self.buf:
                head, _, rest = self.buf.partition(b":")
                n = int(head)
                if len(rest) < n + 1:
                    break
                self.buf = rest[n + 1:]
                m = json.loads(rest[:n])
                if m.get("event"):
                    yield m
            try:
                data = self.sock.recv(65536)
            except TimeoutError:
                yield None
                continue
            if not data:
                return
            self.buf += data

    def stop(self):
        if self.proc.poll() is None:
            try:
                self.cmd("quit")
                self.proc.wait(5)
            except (OSError, subprocess.TimeoutExpired):
                self.proc.kill()
        self.log.close()


def main():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--dir", default=os.path.join(TOP, ".run"))
    a.add_argument("--number")
    a.add_argument("--digit", default="1", help="pressed in the menu; empty: none")
    a.add_argument("--seconds", type=int, default=60, help="longest call")
    args = a.parse_args()
    try:
        with open(os.path.join(args.dir, "state.json"), encoding="utf-8") as f:
            state = json.load(f)
    except OSError:
        raise SystemExit(f"Parley does not run in {args.dir}: start it with `make run`.") from None
    with open(os.path.join(HERE, "company.json"), encoding="utf-8") as f:
        co = json.load(f)
    number = args.number or co["numbers"]["main"]
    folder = tempfile.mkdtemp(prefix="parley-call-")
    wav, raw = os.path.join(folder, "speech.wav"), os.path.join(folder, "raw.wav")
    subprocess.run(["espeak-ng", "-v", "en+f3", "-s", "150", "-w", raw, SPEECH], check=True)
    # Speaks again every 25 s: somebody who answers late still hears the customer.
    subprocess.run(["sox", raw, "-r", "8000", "-c", "1", "-b", "16", wav, "norm", "-6", "pad", "1", "4", "repeat", "20"], check=True)
    phone = Baresip(folder, free_pair(5080, 5099), free_pair(15480, 15600), wav)
    code = 1
    try:
        uri = f"sip:{number}@{state['sip']}"
        print(f"Giulia Ferraro calls {number} ...", flush=True)
        phone.cmd("dial", uri)
        pressed = None
        for e in phone.events(args.seconds):
            if e is None:
                if pressed and time.monotonic() > pressed:
                    print(f"... presses {args.digit} in the menu", flush=True)
                    phone.cmd("sndcode", args.digit)
                    pressed = None
                continue
            if e["type"] == "CALL_ESTABLISHED":
                print("... is connected and listens", flush=True)
                code = 0
                if args.digit and number == co["numbers"]["main"]:
                    pressed = time.monotonic() + 3
            elif e["type"] == "CALL_CLOSED":
                print(f"... the call ended: {e.get('param') or 'the other side hung up'}", flush=True)
                break
        else:
            phone.cmd("hangup")
            print("... hangs up", flush=True)
    except KeyboardInterrupt:
        phone.cmd("hangup")
        print("\n... hangs up", flush=True)
    phone.stop()
    heard = sorted(glob.glob(os.path.join(folder, "snd", "*-dec.wav")))
    if heard:
        kept = os.path.join(args.dir, "last-call-heard.wav")
        shutil.copy(heard[-1], kept)
        print(f"What the caller heard: {kept}")
    shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
