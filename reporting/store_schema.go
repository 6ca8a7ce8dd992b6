package reporting

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// prepareFile checks the file and brings it to the present version.
func prepareFile(ctx context.Context, db *sql.DB, suspect bool, log *zap.Logger) error {
	if err := quickCheck(ctx, db, suspect, log); err != nil {
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
// up the start. Where damage was met before, it takes the time it needs.
func quickCheck(ctx context.Context, db *sql.DB, suspect bool, log *zap.Logger) error {
	budget, cancel := context.WithTimeout(ctx, checkBudget)
	if suspect {
		budget, cancel = context.WithCancel(ctx)
	}
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

// suspectSuffix ends the name of the mark that damage was met while the store was in use.
const suspectSuffix = ".suspect"

// Damaged reports whether an error says that the database is damaged. The next OpenStore then reads all of it and
// moves it aside if it is.
func (s *Store) Damaged(err error) bool {
	if !damaged(err) {
		return false
	}
	if err := os.WriteFile(filepath.Join(s.o.Dir, StoreFile+suspectSuffix), nil, 0o640); err != nil {
		s.log.Warn("the store is not marked for a check", zap.Error(err))
	}
	return true
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
	s.log.Error("the store was damaged: it was moved aside and a new one begun",
		zap.String("moved_to", aside), zap.Error(cause))
	return nil
}
