package reporting

// migrations bring the file from version i to i+1 (user_version). A step that was released is never changed;
// a new one is added. Times are Unix nanoseconds, 0 for none.
func migrations() []string { return []string{storeV1, storeV2, alertsV3, causesV4, recentV5} }

// storeV1 is the first version. The counts of a source are kept beside its frames in the same transactions; a
// CHECK holds their identity.
const storeV1 = `
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES('instance', lower(hex(randomblob(8))));
CREATE TABLE sources(
	name TEXT PRIMARY KEY,
	next_seq INTEGER NOT NULL DEFAULT 1,
	received INTEGER NOT NULL DEFAULT 0,
	processed INTEGER NOT NULL DEFAULT 0 CHECK(processed >= 0),
	gated INTEGER NOT NULL DEFAULT 0 CHECK(gated >= 0),
	rejected INTEGER NOT NULL DEFAULT 0 CHECK(rejected >= 0),
	dropped INTEGER NOT NULL DEFAULT 0 CHECK(dropped >= 0),
	in_flight INTEGER NOT NULL DEFAULT 0 CHECK(in_flight >= 0),
	CHECK(received = processed + gated + rejected + dropped + in_flight)
) STRICT, WITHOUT ROWID;
CREATE TABLE runs(
	n INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	source TEXT NOT NULL,
	opened_at INTEGER NOT NULL,
	closed_at INTEGER NOT NULL DEFAULT 0,
	last_frame INTEGER NOT NULL DEFAULT 0,
	reason TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX runs_open ON runs(n) WHERE closed_at = 0;
CREATE TABLE frames(
	n INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	run_id TEXT NOT NULL,
	source TEXT NOT NULL,
	key TEXT NOT NULL,
	path TEXT NOT NULL,
	name TEXT NOT NULL,
	seq INTEGER NOT NULL,
	sha256 TEXT NOT NULL,
	size INTEGER NOT NULL,
	state TEXT NOT NULL CHECK(state IN ('accepted','processed','gated','rejected','dropped')),
	reason TEXT NOT NULL,
	received_at INTEGER NOT NULL,
	done_at INTEGER NOT NULL DEFAULT 0,
	folder TEXT NOT NULL DEFAULT '',
	objects INTEGER NOT NULL DEFAULT 0,
	summary BLOB,
	UNIQUE(source, key)
) STRICT;
CREATE INDEX frames_run ON frames(run_id, seq, n);
CREATE INDEX frames_pending ON frames(source, n) WHERE state = 'accepted';
CREATE TABLE results(
	frame INTEGER PRIMARY KEY REFERENCES frames(n) ON DELETE CASCADE,
	result BLOB NOT NULL,
	sizes BLOB NOT NULL
) STRICT;
CREATE TABLE alerts(
	code TEXT NOT NULL,
	key TEXT NOT NULL,
	state TEXT NOT NULL CHECK(state IN ('raised','updated','acked','cleared')),
	id TEXT NOT NULL,
	seq INTEGER NOT NULL,
	severity TEXT NOT NULL,
	raised_at INTEGER NOT NULL,
	payload BLOB,
	acked_by TEXT NOT NULL DEFAULT '',
	acked_at INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY(code, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox(
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	frame_id TEXT NOT NULL,
	key TEXT NOT NULL,
	topic TEXT NOT NULL,
	payload BLOB,
	qos INTEGER NOT NULL,
	retained INTEGER NOT NULL,
	time INTEGER NOT NULL,
	class INTEGER NOT NULL,
	bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_class ON outbox(class, id);
CREATE INDEX outbox_topic ON outbox(topic);
CREATE TABLE outbox_stats(
	messages INTEGER NOT NULL, bytes INTEGER NOT NULL,
	evicted_frames INTEGER NOT NULL, evicted_events INTEGER NOT NULL, evicted_alerts INTEGER NOT NULL
) STRICT;
INSERT INTO outbox_stats VALUES(0, 0, 0, 0, 0);
CREATE TRIGGER outbox_in AFTER INSERT ON outbox BEGIN
	UPDATE outbox_stats SET messages = messages + 1, bytes = bytes + new.bytes;
END;
CREATE TRIGGER outbox_out AFTER DELETE ON outbox BEGIN
	UPDATE outbox_stats SET messages = messages - 1, bytes = bytes - old.bytes;
END;`

// storeV2 adds what a run's report is made from beside its frames, the frames that are being worked on (what
// a crash leaves there are its suspects), and the files that retention deletes, with their totals by kind.
const storeV2 = `
ALTER TABLE runs ADD COLUMN provenance BLOB;
ALTER TABLE runs ADD COLUMN removed_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_kept ON runs(closed_at) WHERE closed_at <> 0 AND removed_at = 0;
CREATE TABLE attempts(
	frame INTEGER PRIMARY KEY REFERENCES frames(n) ON DELETE CASCADE,
	working INTEGER NOT NULL,
	crashes INTEGER NOT NULL DEFAULT 0,
	kills INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE files(
	n INTEGER PRIMARY KEY,
	frame INTEGER NOT NULL REFERENCES frames(n) ON DELETE CASCADE,
	kind TEXT NOT NULL CHECK(kind IN ('overlays','labels','results')),
	bytes INTEGER NOT NULL CHECK(bytes >= 0),
	time INTEGER NOT NULL
) STRICT;
CREATE INDEX files_kind ON files(kind, time, bytes);
CREATE INDEX files_frame ON files(frame);
CREATE TABLE files_stats(
	kind TEXT PRIMARY KEY,
	files INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
	removed_files INTEGER NOT NULL DEFAULT 0, removed_bytes INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
INSERT INTO files_stats(kind) VALUES('overlays'), ('labels'), ('results'), ('evidence'), ('alerts');
INSERT INTO meta SELECT 'files_listed_from', coalesce(max(n), 0) FROM frames;
CREATE TRIGGER files_in AFTER INSERT ON files BEGIN
	UPDATE files_stats SET files = files + 1, bytes = bytes + new.bytes WHERE kind = new.kind;
END;
CREATE TRIGGER files_out AFTER DELETE ON files BEGIN
	UPDATE files_stats SET files = files - 1, bytes = bytes - old.bytes,
		removed_files = removed_files + 1, removed_bytes = removed_bytes + old.bytes WHERE kind = old.kind;
END;`
