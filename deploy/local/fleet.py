#!/usr/bin/env python3
"""Runs a whole private Parley on this machine: NATS, Redis, PostgreSQL and the fleet, below one folder.

  fleet.py run   [--dir .run] [--build build]    for people: starts all, loads the demo company, prints where to go, Ctrl-C stops
  fleet.py serve --dir DIR [--build build] ...   for tests: the same without demo and fixed ports; obeys JSON lines on standard input

Servers that the machine already has are never touched: ours listen on ports of their own and keep their files below the folder.
"""
import argparse
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "deploy"))
import config  # noqa: E402

PG_BIN = "/usr/lib/postgresql/15/bin"
READY_S = 60


class Failed(Exception):
    """Something that the person who started us can mend; the text says what and where."""


def free_port(kind=socket.SOCK_STREAM, host="127.0.0.1", wanted=0):
    """A port nobody uses: `wanted` when it is free, else any."""
    for port in ([wanted, 0] if wanted else [0]):
        with socket.socket(socket.AF_INET, kind) as s:
            try:
                s.bind((host, port))
                return s.getsockname()[1]
            except OSError:
                continue
    raise Failed(f"no free port on {host}")


def sip_port(host, wanted):
    """Free for UDP and TCP."""
    for candidate in [wanted] + [0] * 50 if wanted else [0] * 50:
        port = free_port(socket.SOCK_DGRAM, host, candidate)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
            try:
                s.bind((host, port))
                return port
            except OSError:
                continue
    raise Failed("no port is free for SIP on both UDP and TCP")


class Proc:
    """One child process: how to start it, where it logs, how to ask whether it is ready."""

    def __init__(self, name, argv, log, env=None, ready=None, cwd=None, health=None):
        self.name, self.argv, self.log, self.env, self.ready, self.cwd, self.health = name, argv, log, env, ready, cwd, health
        self.popen = None
        self.wanted = False

    def start(self):
        self.wanted = True
        out = open(self.log, "ab")
        self.popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.env,
                                      cwd=self.cwd, start_new_session=True)
        out.close()

    def alive(self):
        return self.popen is not None and self.popen.poll() is None

    def send(self, sig):
        if self.alive():
            os.kill(self.popen.pid, sig)

    def stop(self, sig=signal.SIGTERM, wait_s=15):
        self.wanted = False
        if not self.alive():
            return
        self.send(sig)
        try:
            self.popen.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            self.popen.wait(10)

    def tail(self, n=12):
        try:
            with open(self.log, "rb") as f:
                return b"\n".join(f.read().splitlines()[-n:]).decode(errors="replace")
        except OSError:
            return ""


def http_ok(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as r:
            return r.status == 200
    except OSError:
        return False


def tcp_ok(port, host="127.0.0.1"):
    try:
        with socket.create_connection((host, port), 1):
            return True
    except OSError:
        return False


class Fleet:
    """The whole installation."""

    def __init__(self, args):
        self.args = args
        self.dir = os.path.abspath(args.dir)
        self.bin = os.path.abspath(args.build)
        self.host = args.listen
        self.procs = {}
        self.ports = {}
        os.makedirs(self.dir, exist_ok=True)
        self.path = lambda *p: os.path.join(self.dir, *p)
        for d in ("logs", "data", "redis", "nats", "data/recordings", "data/sounds/prompts", "data/sounds/moh", "data/keys"):
            os.makedirs(self.path(d), exist_ok=True)

    # --- ports ---

    def choose_ports(self):
        old = {}
        if os.path.exists(self.path("ports.json")):
            with open(self.path("ports.json"), encoding="utf-8") as f:
                old = json.load(f)
        fixed = self.args.command == "run"
        want = lambda k, d: old.get(k) or (d if fixed else 0)
        p = self.ports
        p["nats"] = free_port(wanted=want("nats", 0))
        p["redis"] = free_port(wanted=want("redis", 0))
        p["pg"] = free_port(wanted=want("pg", 0))
        p["web"] = free_port(host=self.host, wanted=want("web", 8080))
        p["sip"] = sip_port(self.host, want("sip", 5060))
        with open(self.path("ports.json"), "w", encoding="utf-8") as f:
            json.dump(p, f)

    # --- databases ---

    def add(self, proc):
        self.procs[proc.name] = proc
        return proc

    def log(self, name):
        return self.path("logs", name + ".log")

    def nats(self):
        conf = self.path("nats", "nats.conf")
        text = config.nats_conf(self.secrets, self.ports["nats"], self.path("nats", "store")).replace("{host}", "127.0.0.1")
        config._write(conf, text)
        return self.add(Proc("nats", ["nats-server", "-c", conf], self.log("nats"), ready=lambda: tcp_ok(self.ports["nats"])))

    def redis(self):
        acl = self.path("redis", "users.acl")
        config._write(acl, config.redis_acl(self.secrets))
        argv = ["redis-server", "--port", str(self.ports["redis"]), "--bind", "127.0.0.1", "--dir", self.path("redis"),
                "--aclfile", acl, "--save", "", "--appendonly", "no", "--daemonize", "no"]
        return self.add(Proc("redis", argv, self.log("redis"), ready=lambda: tcp_ok(self.ports["redis"])))

    def as_postgres(self):
        """PostgreSQL refuses root: then its files belong to `postgres`, in a place that user can reach."""
        if os.getuid() != 0:
            return [], self.path("pg")
        try:
            u = pwd.getpwnam("postgres")
        except KeyError:
            raise Failed("running as root needs the user 'postgres' (package postgresql)") from None
        pre = ["setpriv", f"--reuid={u.pw_uid}", f"--regid={u.pw_gid}", "--clear-groups"]
        home = self.path("pg")
        os.makedirs(home, exist_ok=True)
        os.chown(home, u.pw_uid, u.pw_gid)
        if subprocess.run(pre + ["test", "-w", home], check=False).returncode != 0:
            # A folder above is closed to others (/root): keep the data where postgres may go, one place per installation.
            import hashlib
            home = "/var/tmp/parley-" + hashlib.sha256(self.dir.encode()).hexdigest()[:12]
            os.makedirs(home, exist_ok=True)
            os.chown(home, u.pw_uid, u.pw_gid)
        os.chmod(home, 0o700)
        return pre, home

    def postgres(self):
        pre, home = self.as_postgres()
        data = os.path.join(home, "data")
        self.pg_home = home
        env = dict(os.environ, LC_ALL="C.UTF-8")
        if not os.path.exists(os.path.join(data, "PG_VERSION")):
            pw = os.path.join(home, "pw")
            with open(pw, "w", encoding="utf-8") as f:
                f.write(self.secrets["pg-admin"])
            if pre:
                u = pwd.getpwnam("postgres")
                os.chown(pw, u.pw_uid, u.pw_gid)
            os.chmod(pw, 0o600)
            r = subprocess.run(pre + [PG_BIN + "/initdb", "-D", data, "-U", "parley_admin", "--pwfile", pw, "-A", "scram-sha-256",
                                      "-E", "UTF8", "--no-sync"], capture_output=True, text=True, env=env, cwd="/", check=False)
            os.unlink(pw)
            if r.returncode:
                raise Failed("initdb failed:\n" + r.stderr)
        argv = pre + [PG_BIN + "/postgres", "-D", data, "-p", str(self.ports["pg"]), "-c", "listen_addresses=127.0.0.1",
                      "-c", "unix_socket_directories=" + home, "-c", "max_connections=200", "-c", "shared_buffers=128MB"]
        if self.args.command == "serve":
            argv += ["-c", "fsync=off", "-c", "full_page_writes=off"]
        return self.add(Proc("postgres", argv, self.log("postgres"), env=env, cwd="/", ready=self.pg_ready))

    def psql(self, sql, db="postgres"):
        env = dict(os.environ, PGPASSWORD=self.secrets["pg-admin"])
        return subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-At", "-h", "127.0.0.1", "-p", str(self.ports["pg"]),
                               "-U", "parley_admin", "-d", db], input=sql, capture_output=True, text=True, env=env, check=False)

    def pg_ready(self):
        return self.psql("SELECT 1").returncode == 0

    def bootstrap(self):
        if not self.psql(f"SELECT 1 FROM pg_database WHERE datname = '{config.DATABASE}'").stdout.strip():
            r = self.psql(f"CREATE DATABASE {config.DATABASE}")
            if r.returncode:
                raise Failed("creating the database failed: " + r.stderr)
        r = self.psql(config.bootstrap_sql(self.secrets), config.DATABASE)
        if r.returncode:
            raise Failed("creating roles and schemas failed: " + r.stderr)

    # --- services ---

    def service(self, name, n):
        node = f"{name}-{n}"
        d = config.SERVICES[name]
        sec = lambda f: self.path("secrets", f)
        health = free_port()
        argv = [self.binary(name), f"--node={node}", f"--nats-url=nats://127.0.0.1:{self.ports['nats']}",
                f"--nats-password-file={sec('nats-' + name)}", f"--health-host=127.0.0.1", f"--health-port={health}",
                f"--data-dir={self.path('data')}", f"--log-level={self.args.log_level}"]
        if d["schema"]:
            argv += [f"--pg-dsn=host=127.0.0.1 port={self.ports['pg']} dbname={config.DATABASE} user={config.role(name)}",
                     f"--pg-password-file={sec('pg-' + name)}"]
        if d["redis"]:
            argv += [f"--redis-url=redis://127.0.0.1:{self.ports['redis']}/0", f"--redis-user={name}",
                     f"--redis-password-file={sec('redis-' + name)}"]
        argv += self.own_options(name, n)
        p = Proc(node, argv, self.log(node), health=health)
        p.ready = lambda: http_ok(f"http://127.0.0.1:{health}/readyz")
        return self.add(p)

    def binary(self, name):
        path = os.path.join(self.bin, "services", name, "parley-" + name)
        if not os.path.exists(path):
            raise Failed(f"{path} is not there: build first (make build)")
        return path

    def own_options(self, name, n):
        """Options of one service beyond the common ones. n counts its copies from 1."""
        sec = lambda f: self.path("secrets", f)
        more = self.args.option.get(name, [])
        sql = f"--sql-dir={TOP}/services/{name}/sql"
        if name == "auth":
            return [sql, f"--bootstrap-admin-password-file={sec('bootstrap-admin')}"] + more
        if name == "api":
            port = self.ports["web"] if n == 1 else free_port(host=self.host)
            self.ports[f"web-{n}"] = port
            return [f"--http-host={self.host}", f"--http-port={port}", f"--web-dir={TOP}/web/desk/dist", f"--docs-dir={TOP}/docs"] + more
        if name == "sip-edge":
            port = self.ports["sip"] if n == 1 else sip_port(self.host, 0)
            self.ports[f"sip-{n}"] = port
            return [sql, f"--sip-address={self.host}", f"--sip-port={port}"] + more
        if name == "media":
            lo = self.args.rtp_base + (n - 1) * 2000
            return [f"--rtp-address={self.host}", f"--rtp-port-min={lo}", f"--rtp-port-max={lo + 1999}",
                    f"--master-key-file={sec('master.key')}"] + more
        return ([sql] if config.SERVICES[name]["schema"] else []) + more

    # --- life ---

    def wait(self, procs, seconds=READY_S):
        """Until each is ready; a process that dies or takes too long is named with the end of its log."""
        end = time.monotonic() + seconds
        left = list(procs)
        while left:
            for p in list(left):
                if not p.alive():
                    raise Failed(f"{p.name} stopped with code {p.popen.returncode}. Its log ({p.log}) ends:\n{p.tail()}")
                if p.ready():
                    left.remove(p)
            if left and time.monotonic() > end:
                raise Failed("not ready after %d s: %s. Log of the first ends:\n%s"
                             % (seconds, ", ".join(p.name for p in left), left[0].tail()))
            if left:
                time.sleep(0.02)

    def up(self):
        old = self.path("pid")
        if os.path.exists(old):
            with open(old, encoding="utf-8") as f:
                pid = f.read().strip()
            if pid.isdigit() and os.path.exists(f"/proc/{pid}") and b"fleet.py" in open(f"/proc/{pid}/cmdline", "rb").read():
                raise Failed(f"Parley already runs in {self.dir} (process {pid}).")
        with open(old, "w", encoding="utf-8") as f:
            f.write(str(os.getpid()))
        self.secrets = config.make_secrets(self.path("secrets"))
        self.choose_ports()
        bases = [self.nats(), self.redis(), self.postgres()]
        for p in bases:
            p.start()
        self.wait(bases)
        self.bootstrap()
        t0 = time.monotonic()
        fleet = [self.service(name, n) for name in config.SERVICES
                 if not self.args.services or name in self.args.services
                 for n in range(1, self.args.copies.get(name, 1) + 1)]
        for p in fleet:
            p.start()
        self.wait(fleet)
        self.started_s = time.monotonic() - t0
        self.write_state()

    def write_state(self):
        state = {
            "dir": self.dir, "host": self.host, "ports": self.ports, "web": f"http://{self.host}:{self.ports['web']}",
            "sip": f"{self.host}:{self.ports['sip']}", "started_s": round(self.started_s, 3), "secrets": self.path("secrets"),
            "pids": {n: p.popen.pid for n, p in self.procs.items() if p.alive()},
            "health": {n: p.health for n, p in self.procs.items() if p.health},
            "admin": {"username": "admin", "password": self.secrets["bootstrap-admin"]},
        }
        config._write(self.path("state.json"), json.dumps(state, indent=1) + "\n")
        return state

    def down(self):
        order = [n for n in self.procs if n not in ("nats", "redis", "postgres")]
        threads = [threading.Thread(target=self.procs[n].stop) for n in order]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if "postgres" in self.procs:
            self.procs["postgres"].stop(signal.SIGINT)
        for n in ("redis", "nats"):
            if n in self.procs:
                self.procs[n].stop()
        for f in ("pid", "state.json"):
            if os.path.exists(self.path(f)):
                os.unlink(self.path(f))

    # --- commands of tests ---

    def obey(self, cmd):
        what = cmd["do"]
        if what == "signal":
            self.procs[cmd["proc"]].send(getattr(signal, "SIG" + cmd["signal"]))
            if cmd["signal"] == "KILL":
                self.procs[cmd["proc"]].popen.wait(10)
        elif what == "stop":
            self.procs[cmd["proc"]].stop(signal.SIGINT if cmd["proc"] == "postgres" else signal.SIGTERM)
        elif what == "start":
            self.procs[cmd["proc"]].start()
        elif what == "wait":
            self.wait([self.procs[n] for n in cmd["procs"]], cmd.get("seconds", READY_S))
        elif what == "add":
            self.service(cmd["service"], cmd["n"]).start()
        elif what == "psql":
            r = self.psql(cmd["sql"], config.DATABASE)
            if r.returncode:
                raise Failed(r.stderr)
            return {"out": r.stdout}
        elif what == "redis":
            env = dict(os.environ, REDISCLI_AUTH=self.secrets["redis-admin"])
            r = subprocess.run(["redis-cli", "-p", str(self.ports["redis"]), "--user", "admin"] + cmd["args"],
                               capture_output=True, text=True, env=env, check=False)
            return {"out": r.stdout + r.stderr}
        elif what != "state":
            raise Failed(f"unknown command {what}")
        return {"state": self.write_state()}

    def serve(self):
        print(json.dumps({"ready": True, "state": self.write_state()}), flush=True)
        for line in sys.stdin:
            cmd = json.loads(line)
            try:
                answer = dict(self.obey(cmd) or {}, ok=True)
            except Exception as e:  # the test gets whatever went wrong, in words
                answer = {"ok": False, "error": f"{type(e).__name__}: {e}"}
            answer["id"] = cmd.get("id")
            print(json.dumps(answer), flush=True)

    def watch(self):
        """For people: say when something dies, and start it again as an init system would."""
        while True:
            time.sleep(0.5)
            for p in self.procs.values():
                if p.wanted and not p.alive():
                    print(f"{p.name} stopped with code {p.popen.returncode}; starting it again (log: {p.log})", flush=True)
                    p.start()
                    self.write_state()


def parse():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("command", choices=["run", "serve"])
    a.add_argument("--dir", default=os.path.join(TOP, ".run"))
    a.add_argument("--build", default=os.path.join(TOP, "build"))
    a.add_argument("--listen", default=os.environ.get("PARLEY_LISTEN", "127.0.0.1"), help="address of web, SIP and RTP")
    a.add_argument("--log-level", default="info")
    a.add_argument("--rtp-base", type=int, default=20000)
    a.add_argument("--copies", type=json.loads, default={}, help='JSON: {"acd-router": 2}')
    a.add_argument("--services", type=json.loads, default=None, help="JSON list; default all")
    a.add_argument("--option", type=json.loads, default={}, help='JSON: {"api": ["--rate=1000"]}')
    a.add_argument("--no-demo", action="store_true")
    return a.parse_args()


def main():
    args = parse()
    for tool in ("nats-server", "redis-server", "psql"):
        if not shutil.which(tool):
            print(f"{tool} is not installed; `make run` installs what is missing.", file=sys.stderr)
            return 1
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    fleet = Fleet(args)
    code = 0
    try:
        fleet.up()
        if args.command == "serve":
            fleet.serve()
        else:
            if not args.no_demo:
                sys.path.insert(0, os.path.join(TOP, "deploy", "demo"))
                import seed
                seed.load(fleet.write_state())
                seed.welcome(fleet.write_state())
            fleet.watch()
    except KeyboardInterrupt:
        print("\nStopping.", file=sys.stderr)
    except Failed as e:
        print(f"Parley did not start: {e}", file=sys.stderr)
        code = 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    fleet.down()
    return code


if __name__ == "__main__":
    sys.exit(main())
