package reporting

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// applicationID marks the file as ours ("aims").
const applicationID = 0x61696d73

// checkBudget bounds the consistency check at start, which reads the whole file.
const checkBudget = 5 * time.Second

// errDamaged is a failed consistency check.
var errDamaged = errors.New("database is damaged")

// migrations bring the file from version i to i+1 (user_version). Times are Unix nanoseconds, 0 for none.
// The counts of a source are kept beside its frames in the same transactions; a CHECK holds their identity.
func migrations() []string {
	return []string{`
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
END;`}
}

// prepareFile checks the file and brings it to the present version.
func prepareFile(ctx context.Context, db *sql.DB, log *zap.Logger) error {
	if err := quickCheck(ctx, db, log); err != nil {
		return err
	}
	version, err := userVersion(ctx, db)
	if err != nil {
		return err
	}
	steps := migrations()
	if version > len(steps) {
		return newerVersion(version)
	}
	for v := version; v < len(steps); v++ {
		script := fmt.Sprintf("BEGIN IMMEDIATE; %s\nPRAGMA user_version = %d; PRAGMA application_id = %d; COMMIT;", steps[v], v+1, applicationID)
		if _, err := db.ExecContext(ctx, script); err != nil {
			return fmt.Errorf("bring the store to version %d: %w", v+1, err)
		}
	}
	return nil
}

// quickCheck reads the file through, for as long as checkBudget allows: a large sound file must not hold
// up the start.
func quickCheck(ctx context.Context, db *sql.DB, log *zap.Logger) error {
	budget, cancel := context.WithTimeout(ctx, checkBudget)
	defer cancel()
	var found string
	err := db.QueryRowContext(budget, "PRAGMA quick_check(1)").Scan(&found)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case budget.Err() != nil:
		log.Warn("store is too large to check at start; continuing", zap.Duration("after", checkBudget))
		return nil
	case err != nil:
		return fmt.Errorf("check the store: %w", err)
	case found != "ok":
		return fmt.Errorf("%w: %s", errDamaged, found)
	}
	return nil
}

func userVersion(ctx context.Context, db *sql.DB) (int, error) {
	var v int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&v); err != nil {
		return 0, fmt.Errorf("read the store's version: %w", err)
	}
	return v, nil
}

// checkVersion refuses a file that this program does not understand.
func checkVersion(ctx context.Context, db *sql.DB) error {
	v, err := userVersion(ctx, db)
	if err != nil {
		return err
	}
	if want := len(migrations()); v > want {
		return newerVersion(v)
	} else if v < want {
		return fmt.Errorf("%w (%d, this program reads %d); start the daemon once to bring it up", ErrOlderVersion, v, want)
	}
	return nil
}

func newerVersion(v int) error {
	return fmt.Errorf("store has version %d, this program knows %d; install the newer aimsd again, or use another data_dir", v, len(migrations()))
}

// damaged tells a broken file from one that cannot be opened for another reason.
func damaged(err error) bool {
	if errors.Is(err, errDamaged) {
		return true
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()&0xff == sqlite3.SQLITE_CORRUPT || e.Code()&0xff == sqlite3.SQLITE_NOTADB
	}
	return false
}

// moveAside renames the damaged file and its companions; nothing is deleted.
func (s *Store) moveAside(path string, cause error) error {
	aside := path + ".corrupt-" + strings.ReplaceAll(s.o.Now().UTC().Format("20060102T150405.000"), ".", "")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(path+suffix, aside+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("move the damaged store aside: %w", err)
		}
	}
	s.aside = aside
	s.log.Error("the store was damaged: it was moved aside and a new one begun; frames of the past may be processed again",
		zap.String("moved_to", aside), zap.Error(cause))
	return nil
}
