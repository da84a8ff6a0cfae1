"""First container to run: secrets (made once), and the configuration of NATS, Redis and PostgreSQL on volumes only they see."""
import os
import subprocess
import sys

import config

RUN = "/run/parley"
sec = config.make_secrets(RUN + "/secrets")
config._write(RUN + "/secrets/bootstrap.sql", config.bootstrap_sql(sec))
# Readable for the servers' own users; each of these volumes is mounted into one container only.
config._write(RUN + "/nats/nats.conf", config.nats_conf(sec, 4222, "/data", monitor_port=8222).replace("{host}", "0.0.0.0"), 0o644)
config._write(RUN + "/redis/users.acl", config.redis_acl(sec), 0o644)
config._write(RUN + "/postgres/password", sec["pg-admin"] + "\n", 0o644)
for d in ("recordings", "sounds/prompts", "sounds/moh/default", "tts-cache"):
    os.makedirs("/var/lib/parley/" + d, exist_ok=True)
music = "/var/lib/parley/sounds/moh/default/quiet.wav"
if not os.path.exists(music):
    subprocess.run([sys.executable, "/usr/share/parley/deploy/music.py", music + ".tmp"], check=True)
    os.replace(music + ".tmp", music)
