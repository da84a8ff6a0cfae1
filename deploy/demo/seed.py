"""Loads the demo company (company.json) through the public API, as an administrator could by hand. Running it again changes nothing.

usage: seed.py STATE.json     (fleet.py run does it by itself)
"""
import json
import os
import secrets
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from api import Api, ApiError  # noqa: E402

ACD, AUTH, FLOW, TEL, VOICE = "parley.acd.v1.", "parley.auth.v1.", "parley.flow.v1.", "parley.telephony.v1.", "parley.voice.v1."


def passwords(state):
    """One password for the demo's people and one for its phones, made at first use: there is no default password."""
    path = os.path.join(state["dir"], "secrets", "demo.json")
    if not os.path.exists(path):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as f:
            json.dump({"people": "Alba-" + secrets.token_hex(3) + "-9K", "phones": secrets.token_urlsafe(12)}, f)
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def sounds(state):
    """The music on hold."""
    folder = os.path.join(state["dir"], "data", "sounds", "moh", "default")
    os.makedirs(folder, exist_ok=True)
    if not os.path.exists(os.path.join(folder, "quiet.wav")):
        tmp = os.path.join(state["dir"], "quiet.tmp")
        subprocess.run([sys.executable, os.path.join(HERE, "music.py"), tmp], check=True)
        os.replace(tmp, os.path.join(folder, "quiet.wav"))


def by(rows, key):
    return {r.get(key): r for r in rows}


class Seed:
    def __init__(self, state):
        self.state = state
        self.pw = passwords(state)
        with open(os.path.join(HERE, "company.json"), encoding="utf-8") as f:
            self.co = json.load(f)
        self.api = Api(state["web"])
        self.api.login("admin", state["admin"]["password"])
        self.queue = {}

    def people(self):
        have = by(self.api.call(AUTH + "UserService/ListUsers", {"page": {"size": 500}}).get("users", []), "username")
        ids = {}
        wanted = [(p, "ROLE_AGENT") for p in self.co["agents"]] + [(p, "ROLE_SUPERVISOR") for p in self.co["supervisors"]]
        for p, role in wanted:
            if p["username"] not in have:
                r = self.api.call(AUTH + "UserService/CreateUser", {
                    "user": {"username": p["username"], "fullName": p["name"], "role": role, "enabled": True, "timeZone": self.co["time_zone"]},
                    "password": self.pw["people"]})
                have[p["username"]] = r["user"]
            ids[p["username"]] = have[p["username"]]["id"]
        return ids

    def queues(self):
        have = by(self.api.call(ACD + "QueueService/ListQueues").get("queues", []), "name")
        for q in self.co["queues"]:
            if q["name"] not in have:
                body = {k: v for k, v in q.items() if k != "key"}
                body.update({"channel": "CHANNEL_VOICE", "enabled": True, "music": "default", "joinWhenEmpty": True})
                have[q["name"]] = self.api.call(ACD + "QueueService/CreateQueue", {"queue": body})["queue"]
            self.queue[q["key"]] = have[q["name"]]["id"]
        have = by(self.api.call(ACD + "PauseReasonService/ListPauseReasons").get("pauseReasons", []), "name")
        for p in self.co["pauses"]:
            if p["name"] not in have:
                self.api.call(ACD + "PauseReasonService/CreatePauseReason", {"pauseReason": p})

    def agents(self, ids):
        have = by(self.api.call(ACD + "AgentService/ListAgents").get("agents", []), "id")
        phones = by(self.api.call(TEL + "PhoneService/ListPhones").get("phones", []), "user")
        for a in self.co["agents"]:
            uid = ids[a["username"]]
            if uid not in have:
                self.api.call(ACD + "AgentService/CreateAgent", {"agent": {
                    "id": uid, "name": a["name"], "kind": "AGENT_KIND_PERSON", "enabled": True,
                    "memberships": [{"queueId": self.queue[q], "rank": i} for i, q in enumerate(a["queues"])]}})
            if a["phone"] not in phones:
                self.api.call(TEL + "PhoneService/CreatePhone", {
                    "phone": {"user": a["phone"], "displayName": a["name"], "agentId": uid, "enabled": True}, "password": self.pw["phones"]})

    def routing(self):
        if not self.api.call(TEL + "TrunkService/ListTrunks").get("trunks"):
            self.api.call(TEL + "TrunkService/CreateTrunk", {"trunk": dict(self.co["trunk"], enabled=True)})
        schedules = by(self.api.call(FLOW + "ScheduleService/ListSchedules").get("schedules", []), "name")
        if "Opening hours" not in schedules:
            # Open all week, so that the demo answers whenever somebody tries it; the closed branch is there to be switched on.
            schedules["Opening hours"] = self.api.call(FLOW + "ScheduleService/CreateSchedule", {"schedule": {
                "name": "Opening hours", "timeZone": self.co["time_zone"],
                "weekly": [{"weekday": d, "fromMinute": 0, "toMinute": 1440} for d in range(1, 8)],
                "closedDates": ["2026-12-25", "2027-01-01"]}})["schedule"]
        flows = by(self.api.call(FLOW + "FlowService/ListFlows").get("flows", []), "name")
        if "Main menu" not in flows:
            with open(os.path.join(HERE, "main-menu.json"), encoding="utf-8") as f:
                text = f.read()
            for k, v in self.queue.items():
                text = text.replace("{queue:" + k + "}", v)
            text = text.replace("{schedule}", schedules["Opening hours"]["id"])
            r = self.api.call(FLOW + "FlowService/CreateFlow", {"flow": {"name": "Main menu", "channel": "CHANNEL_VOICE"}, "graph": json.loads(text)})
            flows["Main menu"] = r["flow"]
        flow = flows["Main menu"]
        if not flow.get("publishedVersion"):
            self.api.call(FLOW + "FlowService/PublishFlow", {"flowId": flow["id"], "version": 1})
        have = by(self.api.call(VOICE + "RouteService/ListInboundRoutes").get("routes", []), "name")
        routes = [
            {"name": "Main number", "number": self.co["numbers"]["main"], "flowId": flow["id"]},
            {"name": "Sales, direct", "number": self.co["numbers"]["sales"], "queueId": self.queue["sales"]},
            {"name": "Any carrier or load generator", "number": "echo-*", "uri": "sip:{rest}@127.0.0.1:5090"},
        ]
        for r in routes:
            if r["name"] not in have:
                self.api.call(VOICE + "RouteService/CreateInboundRoute", {"route": dict(r, enabled=True)})

    def run(self):
        sounds(self.state)
        ids = self.people()
        self.queues()
        self.agents(ids)
        self.routing()


def load(state):
    try:
        Seed(state).run()
    except ApiError as e:
        raise SystemExit(f"The demo company could not be loaded: {e}") from e


def welcome(state):
    """What a newcomer needs to know."""
    with open(os.path.join(HERE, "company.json"), encoding="utf-8") as f:
        co = json.load(f)
    pw = passwords(state)
    host, port = state["sip"].split(":")
    rows = [("admin", "Administrator", state["admin"]["password"], "")]
    rows += [(p["username"], p["name"] + ", supervisor", pw["people"], "") for p in co["supervisors"]]
    rows += [(a["username"], a["name"] + ", agent", pw["people"], a["phone"]) for a in co["agents"]]
    print(f"\nParley runs: {co['company']}, ready in {state['started_s']:.1f} s\n")
    print(f"  Open        {state['web']}\n")
    print(f"  {'User':<10} {'Who':<28} {'Password':<22} Phone")
    for r in rows:
        print(f"  {r[0]:<10} {r[1]:<28} {r[2]:<22} {r[3]}")
    print(f"\n  Try it      sign in as marta, choose this browser, press Ready; then in another terminal: make call")
    print(f"  Dial        {co['numbers']['main']} (menu: 1 support, 2 sales, 3 billing) or {co['numbers']['sales']} (straight to sales)")
    print(f"              from a softphone below, or as a carrier from {co['trunk']['sourceAddresses'][0]} to sip:{co['numbers']['main']}@{host}:{port}")
    print(f"  Softphone   register <phone>@{host}:{port} over UDP or TCP, password {pw['phones']}")
    print(f"  Files       {state['dir']} (logs/, data/recordings/, secrets/)")
    print("\n  Ctrl-C stops everything.", flush=True)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as f:
        s = json.load(f)
    load(s)
    welcome(s)
