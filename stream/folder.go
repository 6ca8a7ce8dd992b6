package stream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// What a folder source does with files that were there before it was first started.
const (
	BacklogSkip    = "skip"    // recorded as gated, never processed
	BacklogProcess = "process" // processed, oldest first
)

// How a folder source learns of new files.
const (
	WatchAuto   = "auto"   // events on local file systems, polling on network ones
	WatchEvents = "events" // file system events and a rescan every RescanInterval
	WatchPoll   = "poll"   // a scan every PollInterval
)

// Marker is the name of the file that marks a directory as aimsd's own output: neither it nor anything
// below it is ever an input.
const Marker = ".aimsd"

const (
	defaultSettle         = 300 * time.Millisecond
	provenSettle          = 100 * time.Millisecond // when the kernel vouches that no writer has the file open
	networkSettle         = time.Second            // clients flush late
	defaultGiveUp         = 10 * time.Minute
	defaultPollInterval   = time.Second
	defaultRescan         = 5 * time.Minute
	defaultNetworkRescan  = 30 * time.Second
	heartbeat             = time.Second
	unresponsive          = 15 * time.Second
	eventGrace            = 15 * time.Millisecond // lets the events of one save arrive together
	busyPause, busyCap    = 50 * time.Millisecond, time.Second
	tellAfter             = 5 * time.Second // of rest, before the log says what a file is waited for
	brokenCap             = 5 * time.Second // pause between looks at a file whose structure is incomplete
	reattachFirst         = time.Second
	reattachCap           = time.Minute
	eventsRetryFirst      = time.Minute // from polling back to events
	eventsRetryCap        = time.Hour
	admissionsPerTurn     = 32
	admitAhead            = 1024             // files that the journal takes before there is room for them
	tailWait              = 5 * time.Second  // for the end of a file that is all zeros
	networkTailWait       = 30 * time.Second // there, neither size nor time may tell of writing
	directoryRenamedPause = 50 * time.Millisecond
	sidecarPause          = 100 * time.Millisecond // between looks for a sidecar
)

// Folder is a source that takes every image that appears, complete, in a folder. Events are hints; a
// reconciling scan is truth. It opens files for reading only and never moves, renames or marks them.
//
//	events ─┐              settle gate                 journal
//	        ├─▶ candidates ───────────▶ queue (by mtime) ─────▶ Arrival ─▶ out
//	scans  ─┘
type Folder struct {
	SourceName string
	Path       string
	Recursive  bool
	Backlog    string // BacklogSkip (default) or BacklogProcess
	Watch      string // WatchAuto (default), WatchEvents or WatchPoll

	// Settle is how long a file's size and modification time must stay the same. 0 chooses: 300 ms, 100 ms
	// where the kernel vouches that no writer has the file open, 1 s on a network file system.
	Settle         time.Duration
	GiveUp         time.Duration // an unchanged file that is still incomplete is rejected; 0: 10 min
	PollInterval   time.Duration // 0: 1 s
	RescanInterval time.Duration // 0: 5 min, on a network file system 30 s
	// Exclude are files and folders that are never inputs, such as the data directory.
	Exclude []string

	// SidecarWait is how long a complete image may wait for the file beside it that holds its metadata; 0: it
	// does not wait.
	SidecarWait time.Duration

	Journal  Journal
	Decode   func(ctx context.Context, path string, page int) (*Frame, error) // page 0: a file of one frame
	Frames   func(path string) (int, error)                                   // in a file; nil: always one
	Sidecars Sidecars                                                         // nil: images come alone
	Complete func(path string) error                                          // nil when the file's structure lies inside it
	IsImage  func(path string) bool                                           // by content
	// Unfilled reports whether a complete file may have been reserved and not filled yet: its pixels end in
	// zeros. It then rests for 5 s, on a network file system for 30 s, unless the kernel vouches that nobody
	// writes to it. nil: the file's end is looked at.
	Unfilled func(path string) bool
	Log      *zap.Logger // nil: silent

	newEvents func() (events, error)   // tests; nil: fsnotify
	isNetwork func(path string) bool   // tests; nil: ask the file system
	lease     func(path string) writer // tests; nil: ask the kernel
	tailWait  time.Duration            // tests; 0: as above
	listed    func(os.FileInfo) int64  // tests; nil: a listing tells the size

	mu       sync.Mutex
	problem  error // nil: watching
	journal  error // nil: the journal takes frames
	started  bool
	beat     time.Time
	inflight map[string]struct{} // keys admitted and not settled
	root     os.FileInfo         // of the folder; nil: it is away
	back     []Arrival           // given back while the folder was away
	counts   folderCounts
}

var _ Source = (*Folder)(nil)

// Sidecars knows which images come with their metadata in a file of its own, written before or after them.
type Sidecars interface {
	// Awaited reports whether an image that is complete should wait for its sidecar.
	Awaited(path string) bool
	// Missed is told of an image whose sidecar did not come in time.
	Missed(path string)
}

// Name returns the source's name.
func (f *Folder) Name() string { return f.SourceName }

// Ready returns nil once the folder was scanned and is being watched, else what is wrong.
func (f *Folder) Ready() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !f.started:
		return fmt.Errorf("source %s: not started", f.SourceName)
	case f.problem != nil:
		return fmt.Errorf("source %s: %w", f.SourceName, f.problem)
	case f.journal != nil:
		return fmt.Errorf("source %s: journal: %w", f.SourceName, f.journal)
	case time.Since(f.beat) > unresponsive:
		return fmt.Errorf("source %s: %s has not answered for %s: check the disk or network mount",
			f.SourceName, f.Path, time.Since(f.beat).Round(time.Second))
	}
	return nil
}

// Run watches until ctx ends and then returns nil; the only errors are wrong parameters. A folder that is
// missing is waited for, and Ready says so. A Folder is run once at a time.
func (f *Folder) Run(ctx context.Context, out chan<- Arrival) error {
	r, err := f.begin()
	if err != nil {
		return fmt.Errorf("source %s: %w", f.SourceName, err)
	}
	defer r.end()
	r.loop(ctx, out)
	return nil
}

func (f *Folder) begin() (*folderRun, error) {
	switch {
	case f.SourceName == "":
		return nil, errors.New("a folder source needs a name: set sources[].name")
	case f.Path == "":
		return nil, errors.New("no folder given: set sources[].path")
	case f.Journal == nil || f.Decode == nil || f.Complete == nil || f.IsImage == nil:
		return nil, errors.New("journal, decode, complete and is-image functions are required")
	}
	switch f.Backlog {
	case "", BacklogSkip, BacklogProcess:
	default:
		return nil, fmt.Errorf("backlog %q is unknown: use skip or process", f.Backlog)
	}
	switch f.Watch {
	case "", WatchAuto, WatchEvents, WatchPoll:
	default:
		return nil, fmt.Errorf("watch %q is unknown: use auto, events or poll", f.Watch)
	}
	root, err := filepath.Abs(f.Path)
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", f.Path, err)
	}
	log := f.Log
	if log == nil {
		log = zap.NewNop()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.started {
		return nil, errors.New("already running")
	}
	f.started, f.beat = true, time.Now()
	f.problem = errors.New("starting: the first scan is not finished")
	f.inflight = map[string]struct{}{}
	r := &folderRun{
		f: f, root: root, log: log,
		backlogSkip: f.Backlog != BacklogProcess,
		giveUp:      orDefault(f.GiveUp, defaultGiveUp),
		cands:       map[string]*candidate{},
		done:        map[string]doneFile{},
		dirs:        map[string]struct{}{},
		subtrees:    map[string]struct{}{},
		scanned:     make(chan scanResult, 1),
	}
	for _, x := range f.Exclude {
		if abs, err := filepath.Abs(x); err == nil {
			r.exclude = append(r.exclude, abs)
		}
	}
	return r, nil
}

func orDefault(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}

// within reports whether path is dir or below it; both absolute and clean.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator))
}
