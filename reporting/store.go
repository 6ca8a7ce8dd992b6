package reporting

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"
	"modernc.org/sqlite"
)

// StoreFile is the name of the database in the data directory.
const StoreFile = "aimsd.db"

// Errors that callers tell apart with errors.Is.
var (
	ErrNotFound     = errors.New("not in the store")
	ErrAlreadyFinal = errors.New("frame is already final")
	ErrRunClosed    = errors.New("run is already closed")
	ErrOlderVersion = errors.New("store was written by an older version")
	ErrReadOnly     = errors.New("store is open for reading only")
	ErrInUse        = errors.New("data directory is in use")
	ErrNetworkShare = errors.New("data directory is on a network share")
	errStoreClosed  = errors.New("store is closed")
)

// StoreOptions say where the store is and what bounds it.
type StoreOptions struct {
	Dir      string           // data directory, made if absent
	ReadOnly bool             // read beside a running daemon; no lock, no migration, every write fails
	Log      *zap.Logger      // nil: no log
	Now      func() time.Time // nil: time.Now

	OutboxMaxBytes int64         // messages waiting for the broker; 0: 1 GiB
	OutboxMaxAge   time.Duration // of frame, run and event messages; 0: 30 days

	// FileSystem names the file system a folder lies on and says whether it is a network share. nil asks
	// the operating system.
	FileSystem func(dir string) (name string, network bool, err error)
}

// Store is the journal, the results and the outbox in one SQLite file, so that a frame's result, its
// messages and its state commit together. There is one writer, on one connection with synchronous=FULL: what
// a method has written is on the disk when it returns (AckMessage and TouchRun excepted, whose loss in a
// power cut only repeats a message or shortens an idle time). Readers have connections of their own and
// never wait for the writer. All methods are safe for concurrent use.
//
// A write that has begun is finished even when its context ends, so that its outcome is never in doubt.
type Store struct {
	o       StoreOptions
	log     *zap.Logger
	lock    *dirLock
	writer  *sql.DB
	conn    *sql.Conn // of writer; the only one
	reader  *sql.DB
	turn    chan struct{} // holds one token: whoever has it writes
	stmts   map[string]*sql.Stmt
	relaxed bool // synchronous is NORMAL at present
	wake    chan struct{}
	aged    time.Time // when messages were last dropped by age
	aside   string

	closing sync.Once
	closed  chan struct{}
}

// OpenStore opens the store in o.Dir, or begins one. It fails when another process has the directory, when
// the directory is on a network share (SQLite's locks do not hold there) and when the file was written by a
// newer version. A damaged file is moved aside and a new one begun: see MovedAside.
func OpenStore(ctx context.Context, o StoreOptions) (*Store, error) {
	o.Log = orNop(o.Log)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FileSystem == nil {
		o.FileSystem = fileSystem
	}
	if o.OutboxMaxBytes <= 0 {
		o.OutboxMaxBytes = 1 << 30
	}
	if o.OutboxMaxAge <= 0 {
		o.OutboxMaxAge = 30 * 24 * time.Hour
	}
	s := &Store{
		o: o, log: o.Log, turn: make(chan struct{}, 1), stmts: map[string]*sql.Stmt{},
		wake: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.release())
	}
	s.turn <- struct{}{}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	path := filepath.Join(s.o.Dir, StoreFile)
	if s.o.ReadOnly {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("no store in %s: %w; give the data_dir of a daemon that has run", s.o.Dir, err)
		}
		return s.openReader(ctx, path)
	}
	if err := os.MkdirAll(s.o.Dir, 0o750); err != nil {
		return fmt.Errorf("make data directory: %w; name a folder on a local disk that can be written", err)
	}
	name, network, err := s.o.FileSystem(s.o.Dir)
	if err != nil {
		return fmt.Errorf("find the file system of %s: %w", s.o.Dir, err)
	}
	if network {
		return fmt.Errorf("%s: %w (%s), where a database can be damaged; set data_dir to a local disk", s.o.Dir, ErrNetworkShare, name)
	}
	if s.lock, err = lockDir(s.o.Dir); err != nil {
		return err
	}
	if err := s.openWriter(ctx, path); damaged(err) {
		if err := s.moveAside(path, err); err != nil {
			return err
		}
		if err := s.openWriter(ctx, path); err != nil {
			return err
		}
		if err := s.salvage(ctx); err != nil {
			return fmt.Errorf("take over what can be read of %s: %w", s.aside, err)
		}
	} else if err != nil {
		return err
	}
	return s.openReader(ctx, path)
}

// dsn sets the pragmas of every connection.
func dsn(path string, pragmas ...string) string {
	q := url.Values{}
	for _, p := range append(pragmas, "busy_timeout(5000)", "foreign_keys(1)", "temp_store(MEMORY)") {
		q.Add("_pragma", p)
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath(), RawQuery: q.Encode()}).String()
}

func (s *Store) openWriter(ctx context.Context, path string) error {
	c, err := sqlite.NewConnector(dsn(path, "journal_mode(WAL)", "synchronous(FULL)", "journal_size_limit(67108864)"))
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(1)
	_, noMark := os.Stat(path + suspectSuffix)
	if err := prepareFile(ctx, db, noMark == nil, s.log); err != nil {
		return errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	if err := os.Remove(path + suspectSuffix); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.log.Warn("the store stays marked for a check", zap.Error(err))
	}
	if s.conn, err = db.Conn(ctx); err != nil {
		return errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	s.writer = db
	return nil
}

func (s *Store) openReader(ctx context.Context, path string) error {
	c, err := sqlite.NewConnector(dsn(path, "query_only(1)"))
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	s.reader = sql.OpenDB(c)
	s.reader.SetMaxOpenConns(8)
	s.reader.SetMaxIdleConns(4)
	if err := checkVersion(ctx, s.reader); damaged(err) {
		return fmt.Errorf("open %s: %w; restore it from a copy, or let the daemon move it aside and begin a new one", path, err)
	} else if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	return nil
}

// Close waits for the write in progress, folds the write-ahead log into the file and gives the directory
// free. It may be called more than once.
func (s *Store) Close() error {
	var err error
	s.closing.Do(func() {
		<-s.turn
		close(s.closed)
		err = s.release()
	})
	return err
}

func (s *Store) release() error {
	var errs []error
	for _, st := range s.stmts {
		errs = append(errs, st.Close())
	}
	if s.reader != nil {
		errs = append(errs, s.reader.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.conn.Close(), s.writer.Close())
	}
	return errors.Join(append(errs, s.lock.release())...)
}

// Dir is the data directory.
func (s *Store) Dir() string { return s.o.Dir }

// MovedAside is the path that a damaged database was moved to while opening, "" normally.
func (s *Store) MovedAside() string { return s.aside }

// write runs fn in one transaction, alone. With durable it is on the disk when write returns; without, it
// is safe from a crash of the process but not from a power cut.
func (s *Store) write(ctx context.Context, durable bool, fn func(context.Context, *tx) error) error {
	if s.o.ReadOnly {
		return ErrReadOnly
	}
	select {
	case <-s.turn:
	case <-s.closed:
		return errStoreClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { s.turn <- struct{}{} }()
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if s.relaxed == durable {
		mode := map[bool]string{true: "FULL", false: "NORMAL"}[durable]
		if _, err := s.conn.ExecContext(ctx, "PRAGMA synchronous="+mode); err != nil {
			return fmt.Errorf("set synchronous: %w", err)
		}
		s.relaxed = !durable
	}
	if _, err := s.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	t := &tx{s: s}
	if err := fn(ctx, t); err != nil {
		s.rollback(ctx)
		return err
	}
	if _, err := s.conn.ExecContext(ctx, "COMMIT"); err != nil {
		s.rollback(ctx)
		return fmt.Errorf("commit: %w", err)
	}
	if t.queued {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// rollback ends the transaction. SQLite has ended it already after some errors, so that its own failure
// means nothing.
func (s *Store) rollback(ctx context.Context) {
	if _, err := s.conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		s.log.Debug("rollback", zap.Error(err))
	}
}

// tx is the writer's transaction. Its statements stay compiled from one transaction to the next.
type tx struct {
	s      *Store
	queued bool // messages were added
}

func (t *tx) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if st, ok := t.s.stmts[query]; ok {
		return st, nil
	}
	st, err := t.s.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	t.s.stmts[query] = st
	return st, nil
}

// exec returns how many rows changed.
func (t *tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	st, err := t.stmt(ctx, query)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// row reads one row into dest; without one it returns sql.ErrNoRows.
func (t *tx) row(ctx context.Context, query string, args []any, dest ...any) error {
	st, err := t.stmt(ctx, query)
	if err != nil {
		return err
	}
	return st.QueryRowContext(ctx, args...).Scan(dest...)
}

// newID returns a ULID for the time t; within a process they ascend.
func newID(t time.Time) string {
	return ulid.MustNew(ulid.Timestamp(t), ulid.DefaultEntropy()).String()
}

func orNop(l *zap.Logger) *zap.Logger {
	if l == nil {
		return zap.NewNop()
	}
	return l
}
