-- Phones, trunks and the outbox. Names without schema mean the service's own.
CREATE TABLE outbox (id uuid PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), subject text NOT NULL, type text NOT NULL, body bytea NOT NULL);

-- One number for every change of this schema: copies of the service compare it to know that they are up to date.
CREATE SEQUENCE revision;

CREATE TABLE phone (
	id uuid PRIMARY KEY,
	username text NOT NULL CONSTRAINT phone_user_taken UNIQUE,
	display_name text NOT NULL DEFAULT '',
	agent_id text NOT NULL DEFAULT '',
	enabled boolean NOT NULL DEFAULT true,
	-- H(user:realm:password), RFC 7616 3.4.2; the password itself is never kept.
	ha1_md5 text NOT NULL,
	ha1_sha256 text NOT NULL,
	revision bigint NOT NULL DEFAULT nextval('revision')
);
CREATE INDEX phone_agent ON phone (agent_id) WHERE agent_id <> '';

CREATE TABLE trunk (
	id uuid PRIMARY KEY,
	name text NOT NULL CONSTRAINT trunk_name_taken UNIQUE,
	enabled boolean NOT NULL DEFAULT true,
	source_addresses text[] NOT NULL DEFAULT '{}',
	outbound_uri text NOT NULL DEFAULT '',
	codecs text[] NOT NULL DEFAULT '{}',
	max_channels integer NOT NULL DEFAULT 0 CHECK (max_channels >= 0),
	caller_id text NOT NULL DEFAULT '',
	keepalive_ms integer NOT NULL DEFAULT 0 CHECK (keepalive_ms >= 0),
	revision bigint NOT NULL DEFAULT nextval('revision')
);

-- Deletions leave no row to compare: one row says when the last change of any kind was.
CREATE TABLE changed (one boolean PRIMARY KEY DEFAULT true CHECK (one), revision bigint NOT NULL);
INSERT INTO changed (revision) VALUES (nextval('revision'));
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE changed SET revision = nextval('revision');
	RETURN NULL;
END $$;
CREATE TRIGGER phone_changed AFTER INSERT OR UPDATE OR DELETE ON phone FOR EACH STATEMENT EXECUTE FUNCTION note_change();
CREATE TRIGGER trunk_changed AFTER INSERT OR UPDATE OR DELETE ON trunk FOR EACH STATEMENT EXECUTE FUNCTION note_change();
