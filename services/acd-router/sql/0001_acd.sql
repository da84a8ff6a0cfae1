-- Queues, agents and their memberships, pause reasons. The session's search_path is the schema of the service.
-- body is the whole message of the contract (parley.acd.v1.Queue, Agent, PauseReason): it is only ever read and written whole, and
-- goes as it is into the router's log. The columns beside it are what the database itself must guard.
CREATE TABLE queue (
	id uuid PRIMARY KEY,
	name text NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
	revision bigint NOT NULL CHECK (revision > 0),
	body bytea NOT NULL
);
CREATE UNIQUE INDEX queue_name ON queue (lower(name));

CREATE TABLE agent (
	id uuid PRIMARY KEY,
	name text NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
	revision bigint NOT NULL CHECK (revision > 0),
	body bytea NOT NULL
);
CREATE INDEX agent_name ON agent (lower(name));

-- Repeats what the agents' bodies say, so that no agent can be in a queue that does not exist.
CREATE TABLE member (
	queue_id uuid NOT NULL REFERENCES queue (id),
	agent_id uuid NOT NULL REFERENCES agent (id) ON DELETE CASCADE,
	PRIMARY KEY (queue_id, agent_id)
);
CREATE INDEX member_agent ON member (agent_id);

CREATE TABLE pause_reason (
	id uuid PRIMARY KEY,
	name text NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
	revision bigint NOT NULL CHECK (revision > 0),
	body bytea NOT NULL
);
CREATE UNIQUE INDEX pause_reason_name ON pause_reason (lower(name));

CREATE TABLE outbox (
	id uuid PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	subject text NOT NULL,
	type text NOT NULL,
	body bytea NOT NULL
);
