# Stands in for postgres:15 where images cannot be pulled: same variables, same volume.
FROM debian:bookworm-slim
RUN apt-get update -q && apt-get install -yq --no-install-recommends postgresql postgresql-client && rm -rf /var/lib/apt/lists/* \
 && mkdir -p /var/lib/postgresql/data && chown postgres:postgres /var/lib/postgresql/data
COPY postgres-entrypoint /usr/local/bin/
ENV PATH=/usr/lib/postgresql/15/bin:$PATH PGDATA=/var/lib/postgresql/data
USER postgres
STOPSIGNAL SIGINT
ENTRYPOINT ["/usr/local/bin/postgres-entrypoint"]
