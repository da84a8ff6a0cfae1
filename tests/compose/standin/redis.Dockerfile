# Stands in for redis:7 where images cannot be pulled.
FROM debian:bookworm-slim
RUN apt-get update -q && apt-get install -yq --no-install-recommends redis-server && rm -rf /var/lib/apt/lists/*
USER redis
ENTRYPOINT []
CMD ["redis-server", "--protected-mode", "no"]
