"""What the fleet consists of and what each part may touch: one table for the local runner, the containers and systemd.

Nothing here starts anything. `write(dir, ports)` makes secrets (kept when they exist) and the configuration files of NATS, Redis and
PostgreSQL below a folder.
"""
import os
import secrets
import stat

# name -> PostgreSQL schema it owns, Redis key prefixes, NATS subjects beyond the common ones.
# publish: what it may say; subscribe: what it may hear. Common to all: its inbox, its own rpc.* and node.*, JetStream.
SERVICES = {
    "auth": {"schema": "auth", "redis": ["auth:*"]},
    "api": {"schema": None, "redis": ["rt:*"]},
    "sip-edge": {"schema": "telephony", "redis": ["sip:*"]},
    "media": {"schema": None, "redis": []},
    "call-control": {"schema": "voice", "redis": []},
    "flow": {"schema": "flow", "redis": []},
    "acd-router": {"schema": "acd", "redis": []},
    "reporting": {"schema": "report", "redis": ["rt:*"]},
}
DATABASE = "parley"


def role(service):
    """The PostgreSQL role of a service."""
    return "parley_" + service.replace("-", "_")


def _write(path, text, mode=0o600):
    tmp = path + ".tmp"
    fd = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(tmp, mode)
    os.replace(tmp, path)


def secret(folder, name, make=lambda: secrets.token_urlsafe(24)):
    """Reads <folder>/<name>, making it at first use. Never on a command line."""
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        _write(path, make() + "\n")
    with open(path, encoding="utf-8") as f:
        return f.read().strip()


def make_secrets(folder):
    """All passwords and keys; returns {name: value}."""
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, stat.S_IRWXU)
    out = {}
    for s in SERVICES:
        for kind in ("nats", "redis", "pg"):
            out[f"{kind}-{s}"] = secret(folder, f"{kind}-{s}")
    for name in ("nats-admin", "redis-admin", "pg-admin"):
        out[name] = secret(folder, name)
    out["master.key"] = secret(folder, "master.key", lambda: secrets.token_hex(32))
    # Meets the password rules by construction.
    out["bootstrap-admin"] = secret(folder, "bootstrap-admin", lambda: "Pa-" + secrets.token_urlsafe(9) + "-7x")
    return out


# Which events a service may publish (ev.<domain>.>), and the other subjects it needs.
_EVENTS = {
    "auth": ["ev.auth.>"],
    "api": ["presence.desk.*"],
    "sip-edge": ["ev.telephony.>"],
    "media": ["ev.media.>"],
    "call-control": ["ev.call.>", "ev.recording.>", "ev.voice.>", "acd.in.>"],
    "flow": ["ev.flow.>", "acd.in.>"],
    "acd-router": ["ev.acd.>", "acd.in.>"],
    "reporting": ["ev.report.>", "rt.queue.>", "rt.agent.>"],
}
_RPC_OF = {
    "auth": ["rpc.parley.auth.v1.>"],
    "api": [],
    "sip-edge": ["rpc.parley.telephony.v1.TrunkService.>", "rpc.parley.telephony.v1.PhoneService.>"],
    "media": ["rpc.parley.media.v1.>"],
    "call-control": ["rpc.parley.voice.v1.>", "rpc.parley.telephony.v1.LegInternalService.>"],
    "flow": ["rpc.parley.flow.v1.>"],
    "acd-router": ["rpc.parley.acd.v1.>"],
    "reporting": ["rpc.parley.report.v1.>"],
}
# Streams and buckets a service administers; all may read the ledger and use leases.
_KV = {
    "auth": [], "api": [], "sip-edge": [], "media": [],
    "call-control": ["ACTORS_call"], "flow": ["ACTORS_flow"], "acd-router": ["ACD_SNAP"], "reporting": [],
}


def nats_permissions(service):
    """Subjects a service's NATS user may use (DESIGN: only its subjects)."""
    own_rpc = _RPC_OF[service]
    publish = ["rpc.>", "node.>", "$JS.API.>", "$JS.ACK.>", "$JS.FC.>", "$KV.LEASES.>", "$KV.FENCES.>"] + _EVENTS[service]
    publish += [f"_INBOX_{s}.>" for s in SERVICES]
    publish += [f"$KV.{b}.>" for b in _KV[service]]
    subscribe = ["node.>", f"_INBOX_{service}.>", "ev.>"] + own_rpc
    if service in ("api",):
        subscribe += ["rt.>"]
    if service in ("acd-router",):
        subscribe += ["presence.desk.*", "acd.in.>"]
    return publish, subscribe


def nats_conf(sec, port, store, monitor_port=None):
    """nats-server configuration: one account, one user a service."""
    users = []
    for s in SERVICES:
        pub, sub = nats_permissions(s)
        q = lambda xs: "[" + ", ".join('"%s"' % x for x in xs) + "]"
        users.append(
            "    { user: %s, password: \"%s\", permissions: { publish: %s, subscribe: %s, allow_responses: { max: 1000000, expires: \"10m\" } } }"
            % (s, sec[f"nats-{s}"], q(pub), q(sub)))
    users.append("    { user: admin, password: \"%s\" }" % sec["nats-admin"])
    mon = f"http: 127.0.0.1:{monitor_port}\n" if monitor_port else ""
    return (f"listen: {{host}}:{port}\n{mon}max_payload: 1MB\nwrite_deadline: \"10s\"\n"
            f"jetstream {{ store_dir: \"{store}\", max_memory_store: 268435456, max_file_store: 21474836480 }}\n"
            "authorization {\n  users = [\n" + ",\n".join(users) + "\n  ]\n}\n")


def redis_acl(sec):
    """Redis users: each with its own key prefixes only."""
    lines = ["user default off", f"user admin on >{sec['redis-admin']} ~* &* +@all"]
    for s, d in SERVICES.items():
        if d["redis"]:
            keys = " ".join("~" + k for k in d["redis"])
            lines.append(f"user {s} on >{sec['redis-' + s]} {keys} &* +@all -@admin -@dangerous +info +ping +client|setname +auth +hello +scan")
    return "\n".join(lines) + "\n"


def bootstrap_sql(sec):
    """Roles and schemas; run by the database's owner, any number of times."""
    out = ["SET client_min_messages = warning;", "REVOKE ALL ON SCHEMA public FROM PUBLIC;"]
    for s, d in SERVICES.items():
        if not d["schema"]:
            continue
        r = role(s)
        out.append(
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{r}') THEN CREATE ROLE {r} LOGIN; END IF; END $$;")
        out.append(f"ALTER ROLE {r} PASSWORD '{sec['pg-' + s]}';")
        out.append(f"CREATE SCHEMA IF NOT EXISTS {d['schema']} AUTHORIZATION {r};")
        out.append(f"ALTER ROLE {r} SET search_path = {d['schema']};")
    # For people's own reports: reads history only.
    out.append("DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'parley_reader') THEN CREATE ROLE parley_reader; END IF; END $$;")
    out.append("GRANT USAGE ON SCHEMA report TO parley_reader;")
    out.append(f"ALTER DEFAULT PRIVILEGES FOR ROLE {role('reporting')} IN SCHEMA report GRANT SELECT ON TABLES TO parley_reader;")
    return "\n".join(out) + "\n"
