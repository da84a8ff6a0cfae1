-- Flows, their versions, opening hours. The session's search_path is the schema of the service.
CREATE TABLE flow (
	id uuid PRIMARY KEY,
	name text NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
	channel int NOT NULL,
	published_version int NOT NULL DEFAULT 0,
	revision bigint NOT NULL DEFAULT 1,
	updated_at timestamptz NOT NULL DEFAULT now(),
	deleted boolean NOT NULL DEFAULT false	-- kept: sessions that run may still need a version
);
CREATE UNIQUE INDEX flow_name ON flow (lower(name)) WHERE NOT deleted;

-- Versions never change: a session that runs keeps the one it began with.
CREATE TABLE version (
	flow_id uuid NOT NULL REFERENCES flow (id),
	version int NOT NULL CHECK (version > 0),
	graph jsonb NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	created_by text NOT NULL,
	PRIMARY KEY (flow_id, version)
);

CREATE TABLE schedule (
	id uuid PRIMARY KEY,
	name text NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
	time_zone text NOT NULL,
	body bytea NOT NULL,		-- parley.flow.v1.Schedule: spans and dates are only read whole
	revision bigint NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX schedule_name ON schedule (lower(name));

CREATE TABLE outbox (
	id uuid PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	subject text NOT NULL,
	type text NOT NULL,
	body bytea NOT NULL
);
