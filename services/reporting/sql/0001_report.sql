-- History. Everything here is a fold of the ledger up to progress.last_seq and is written in one transaction with it.
CREATE TABLE progress (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	last_seq bigint NOT NULL,
	writer text NOT NULL,
	at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO progress (last_seq, writer) VALUES (0, '');

CREATE TABLE interaction (
	id uuid PRIMARY KEY,
	channel int NOT NULL,
	direction int NOT NULL,
	customer_number text NOT NULL,
	customer_name text NOT NULL,
	dialled_number text NOT NULL,
	started_at timestamptz NOT NULL,
	ended_at timestamptz,
	queue_id text NOT NULL,		-- the last one
	agent_id text NOT NULL,		-- the last who talked
	agents int NOT NULL,
	outcome text NOT NULL,
	ended_by text NOT NULL,
	menu_ms bigint NOT NULL,
	wait_ms bigint NOT NULL,
	talk_ms bigint NOT NULL,
	held_ms bigint NOT NULL,
	wrap_up_ms bigint NOT NULL,
	duration_ms bigint NOT NULL,
	mos double precision NOT NULL,
	loss_pct double precision NOT NULL,
	menu_path jsonb NOT NULL	-- [{"key": node, "value": choice}]
) WITH (fillfactor = 80);
CREATE INDEX interaction_time ON interaction (started_at DESC, id DESC);
CREATE INDEX interaction_queue ON interaction (queue_id, started_at DESC, id DESC) WHERE queue_id <> '';

-- Menu, queue, talk, hold and dial follow each other from start to end; ring lies inside queue, wrap-up comes after.
CREATE TABLE segment (
	interaction_id uuid NOT NULL,
	n int NOT NULL,
	kind int NOT NULL,		-- parley.report.v1.SegmentKind
	started_at timestamptz NOT NULL,
	ended_at timestamptz NOT NULL,
	agent_id text NOT NULL,
	queue_id text NOT NULL,
	result text NOT NULL,
	PRIMARY KEY (interaction_id, n)
);
CREATE INDEX segment_time ON segment USING brin (started_at);

-- Who took part: an agent's own history.
CREATE TABLE interaction_agent (
	agent_id text NOT NULL,
	started_at timestamptz NOT NULL,
	interaction_id uuid NOT NULL,
	PRIMARY KEY (agent_id, started_at, interaction_id)
);

-- Checkpoint of what is still open: a restart goes on from here.
CREATE TABLE open_interaction (
	id uuid PRIMARY KEY,
	facts bytea NOT NULL		-- parley.report.v1.InteractionFacts
) WITH (fillfactor = 70);

CREATE TABLE queue_interval (
	queue_id text NOT NULL,
	started_at timestamptz NOT NULL,	-- quarter of an hour in which the visits began
	day int NOT NULL,			-- of the company's zone, since 1970-01-01
	offered bigint NOT NULL, answered bigint NOT NULL, abandoned bigint NOT NULL, unmanaged bigint NOT NULL,
	within bigint NOT NULL,			-- answered within the queue's service level
	wait_answered_ms bigint NOT NULL, wait_abandoned_ms bigint NOT NULL,
	talk_ms bigint NOT NULL, held_ms bigint NOT NULL, wrap_ms bigint NOT NULL,
	PRIMARY KEY (queue_id, started_at)
);
CREATE INDEX queue_interval_day ON queue_interval (day);
CREATE VIEW queue_day AS
	SELECT queue_id, date '1970-01-01' + day AS day, sum(offered) AS offered, sum(answered) AS answered, sum(abandoned) AS abandoned,
		sum(unmanaged) AS unmanaged, sum(within) AS within, sum(wait_answered_ms) AS wait_answered_ms,
		sum(wait_abandoned_ms) AS wait_abandoned_ms, sum(talk_ms) AS talk_ms, sum(held_ms) AS held_ms, sum(wrap_ms) AS wrap_ms
	FROM queue_interval GROUP BY queue_id, day;

CREATE TABLE agent_day (
	agent_id text NOT NULL,
	day int NOT NULL,
	handled bigint NOT NULL, missed bigint NOT NULL, talk_ms bigint NOT NULL, held_ms bigint NOT NULL, wrap_ms bigint NOT NULL,
	ring_ms bigint NOT NULL,
	ready_ms bigint NOT NULL, paused_ms bigint NOT NULL, offered_ms bigint NOT NULL, on_contact_ms bigint NOT NULL,
	wrap_up_ms bigint NOT NULL,	-- of states that have ended
	PRIMARY KEY (agent_id, day)
);
CREATE INDEX agent_day_day ON agent_day (day);

CREATE TABLE agent_state_interval (
	agent_id text NOT NULL,
	state int NOT NULL,		-- parley.acd.v1.AgentState
	pause_reason_id text NOT NULL,
	started_at timestamptz NOT NULL,
	ended_at timestamptz NOT NULL
);
CREATE INDEX agent_state_interval_agent ON agent_state_interval (agent_id, started_at);
CREATE INDEX agent_state_interval_time ON agent_state_interval USING brin (started_at);

-- Names, and what the fold needs to know of queues and agents, as the ledger last told it.
CREATE TABLE queue (
	id text PRIMARY KEY,
	name text NOT NULL,
	channel int NOT NULL,
	sl_ms bigint NOT NULL,
	target_pct int NOT NULL,
	deleted boolean NOT NULL
);
CREATE TABLE agent (
	id text PRIMARY KEY,
	name text NOT NULL,
	deleted boolean NOT NULL,
	queue_ids text[] NOT NULL,
	state int NOT NULL,
	since timestamptz,
	pause_reason_id text NOT NULL,
	version bigint NOT NULL,
	status bytea NOT NULL		-- parley.acd.v1.AgentStatus
);

CREATE TABLE recording (
	id uuid PRIMARY KEY,
	interaction_id uuid NOT NULL,
	agent_id text NOT NULL,
	status int NOT NULL,
	started_at timestamptz,
	body bytea NOT NULL		-- parley.voice.v1.Recording
);
CREATE INDEX recording_interaction ON recording (interaction_id);
