"""A call through the composed fleet: a fixed address joins the sales queue, a customer calls it, and the history says so. usage: call.py DIR"""
import json
import os
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "deploy", "demo"))
from api import Api  # noqa: E402

folder = sys.argv[1]
with open(os.path.join(folder, "state.json"), encoding="utf-8") as f:
    state = json.load(f)
api = Api(state["web"])
api.login("admin", state["admin"]["password"])
sales = next(q["id"] for q in api.call("parley.acd.v1.QueueService/ListQueues")["queues"] if q["name"] == "Sales")
api.call("parley.acd.v1.AgentService/CreateAgent", {"agent": {
    "name": "Answering service", "kind": "AGENT_KIND_STATIC", "enabled": True, "address": "sip:m0@127.0.0.1:5090",
    "memberships": [{"queueId": sales}]}})
subprocess.run([sys.executable, os.path.join(TOP, "deploy/demo/call.py"), "--dir", folder, "--number", "390432900200", "--digit", "",
                "--seconds", "40"], check=True)
for _ in range(100):
    rows = api.call("parley.report.v1.HistoryService/ListInteractions", {}).get("interactions", [])
    if rows and rows[0].get("endedAt") and rows[0].get("outcome") == "answered":
        break
    time.sleep(0.2)
else:
    raise SystemExit(f"no answered call in the history: {rows}")
recordings = []
for _ in range(150):
    recordings = api.call("parley.voice.v1.RecordingService/ListRecordings", {"interactionId": rows[0]["id"]}).get("recordings", [])
    if recordings and recordings[0]["status"] == "RECORDING_STATUS_VERIFIED":
        break
    time.sleep(0.2)
else:
    raise SystemExit(f"the recording is not verified: {recordings}")
print(f"A call of {int(rows[0]['talkMs']) / 1000:.1f} s was answered, recorded and verified.")
