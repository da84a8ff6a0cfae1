# Stands in for nats:2.9-alpine where images cannot be pulled: Debian's nats-server and wget.
FROM debian:bookworm-slim
RUN apt-get update -q && apt-get install -yq --no-install-recommends nats-server wget && rm -rf /var/lib/apt/lists/*
ENTRYPOINT ["nats-server"]
