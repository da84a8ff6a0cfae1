-- Inbound routes and recordings. The session's search_path is the schema of the service.
CREATE TABLE route (
	id uuid PRIMARY KEY,
	name text NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
	number text NOT NULL CHECK (length(number) BETWEEN 1 AND 63),
	enabled boolean NOT NULL,
	kind int NOT NULL CHECK (kind BETWEEN 1 AND 4),	-- 1 flow, 2 queue, 3 phone user, 4 URI
	destination text NOT NULL CHECK (destination <> ''),
	trunk_id text,					-- NULL: from any
	record boolean NOT NULL,
	revision bigint NOT NULL
);
CREATE UNIQUE INDEX route_number ON route (number, coalesce(trunk_id, ''));

-- One row per recording that was ever expected. It is a fold of ev.recording.*, so each column may come late and
-- every event may come twice.
CREATE TABLE recording (
	id uuid PRIMARY KEY,
	interaction_id text NOT NULL DEFAULT '',
	agent_id text NOT NULL DEFAULT '',
	queue_id text NOT NULL DEFAULT '',
	status int NOT NULL,				-- parley.voice.v1.RecordingStatus
	error text NOT NULL DEFAULT '',
	started_at timestamptz NOT NULL,
	stopped_at timestamptz,
	duration_ms bigint NOT NULL DEFAULT 0,
	bytes bigint NOT NULL DEFAULT 0,
	sha256 text NOT NULL DEFAULT '',
	path text NOT NULL DEFAULT '',
	media_node text NOT NULL DEFAULT '',
	marks bytea					-- parley.voice.v1.RecordingStopped; only read whole
);
CREATE INDEX recording_interaction ON recording (interaction_id);
CREATE INDEX recording_agent ON recording (agent_id, started_at DESC, id DESC);
CREATE INDEX recording_started ON recording (started_at DESC, id DESC);
CREATE INDEX recording_expected ON recording (stopped_at) WHERE status = 1;

CREATE TABLE outbox (
	id uuid PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	subject text NOT NULL,
	type text NOT NULL,
	body bytea NOT NULL
);
