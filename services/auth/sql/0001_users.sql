-- People who sign in, and what was done by whom.
CREATE TABLE users (
	id uuid PRIMARY KEY,
	username text NOT NULL CHECK (username = lower(username)),
	full_name text NOT NULL DEFAULT '',
	alias text NOT NULL DEFAULT '',
	email text NOT NULL DEFAULT '',
	role text NOT NULL CHECK (role IN ('agent', 'supervisor', 'admin')),
	enabled boolean NOT NULL DEFAULT true,
	locale text NOT NULL DEFAULT '',
	time_zone text NOT NULL DEFAULT '',
	password_hash text NOT NULL,
	password_changed_at timestamptz NOT NULL DEFAULT now(),
	must_change_password boolean NOT NULL DEFAULT false,
	failed_logins int NOT NULL DEFAULT 0,
	locked_until timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	last_login_at timestamptz,
	revision bigint NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX username ON users (username);

-- Ids are UUIDv7: their order is that of time. No foreign key: an entry outlives its user.
CREATE TABLE audit (
	id uuid PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT now(),
	user_id uuid,
	username text NOT NULL DEFAULT '',
	remote_address text NOT NULL DEFAULT '',
	action text NOT NULL,
	object_id text NOT NULL DEFAULT '',
	before jsonb,
	after jsonb
);
CREATE INDEX audit_user ON audit (user_id, id DESC);
CREATE INDEX audit_action ON audit (action, id DESC);
CREATE INDEX audit_login ON audit (object_id) WHERE action = 'login';

CREATE TABLE outbox (id uuid PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
	subject text NOT NULL, type text NOT NULL, body bytea NOT NULL);
