package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/reporting"
)

// How often the process may end while it works on a frame before the frame is given up. A crash is the frame's
// doing, or nearly always; a kill from outside seldom is, so that many more are needed.
const (
	maxCrashes = 3
	maxKills   = 10
)

// keptCrashReports bounds the reports of crashes in the data directory.
const keptCrashReports = 5

// crashReport is where the runtime writes how this process crashed.
const crashReport = "crash.log"

// errQuarantined begins the reason of a frame that is not tried again.
var errQuarantined = errors.New("quarantined")

// suspects are the frames that were being worked on when an earlier process ended. Each is worked on alone, so
// that the next crash, if there is one, accuses the right one. It is safe for concurrent use.
type suspects struct {
	mu sync.Mutex
	by map[string]reporting.Attempts
}

func (s *suspects) of(frameID string) (reporting.Attempts, bool) {
	if s == nil {
		return reporting.Attempts{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.by[frameID]
	return a, ok
}

func (s *suspects) clear(frameID string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.by, frameID)
}

// verdict says why a frame is not tried again; nil where it is.
func verdict(a reporting.Attempts) error {
	switch {
	case a.Crashes >= maxCrashes:
		return fmt.Errorf("%w: aimsd crashed %d times while it worked on this frame; please report it with the newest crash-*.log of data_dir",
			errQuarantined, a.Crashes)
	case a.Kills >= maxKills:
		return fmt.Errorf("%w: aimsd was killed %d times while it worked on this frame; give the machine more memory, then write the file again",
			errQuarantined, a.Kills)
	}
	return nil
}

// lane lets frames through side by side, and suspects alone.
type lane struct{ busy sync.WaitGroup }

// enter waits until the frame may be worked on.
func (l *lane) enter(suspect bool) {
	if suspect {
		l.busy.Wait()
	}
	l.busy.Add(1)
}

// passed waits, behind a suspect, until it is done.
func (l *lane) passed(suspect bool) {
	if suspect {
		l.busy.Wait()
	}
}

func (l *lane) leave() { l.busy.Done() }

// guarded runs fn and turns a panic of it into an error that quarantines the frame: what panicked on a frame
// would do so again, and the others are none the worse for it.
func guarded(log *zap.Logger, what, frame string, fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			log.Error("a frame made the program panic; it is quarantined", zap.String("during", what), zap.String("frame", frame),
				zap.Any("panic", r), zap.ByteString("stack", debug.Stack()))
			err = fmt.Errorf("%w: %s panicked: %v; please report it with this frame", errQuarantined, what, r)
		}
	}()
	return fn()
}

// guardedDecoder keeps panics of the decoders inside: what reads headers runs in the sources, before the
// journal knows of the frame.
type guardedDecoder struct{ log *zap.Logger }

func (g guardedDecoder) frames(count func(string) (int, error)) func(string) (int, error) {
	return func(path string) (n int, err error) {
		err = guarded(g.log, "counting frames", path, func() (err error) { n, err = count(path); return err })
		return n, err
	}
}

func (g guardedDecoder) complete(check func(string) error) func(string) error {
	return func(path string) error {
		return guarded(g.log, "checking", path, func() error { return check(path) })
	}
}

// crashes keeps the reports of how the process crashed.
type crashes struct {
	Dir string // data directory
	Now func() time.Time
	Log *zap.Logger
}

// look reports whether the last process crashed, files its report away, and has the runtime write the next one.
// Without a report (a full disk) the daemon works all the same, and a crash counts as a kill.
func (c crashes) look() (crashed bool) {
	path := filepath.Join(c.Dir, crashReport)
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		crashed = true
		kept := filepath.Join(c.Dir, "crash-"+c.Now().UTC().Format("20060102T150405.000")+".log")
		err := os.Rename(path, kept)
		c.Log.Error("aimsd crashed before; frames that it worked on are tried again one by one", zap.String("report", kept), zap.Error(err))
		c.prune()
	}
	f, err := os.Create(path)
	if err == nil {
		err = errors.Join(debug.SetCrashOutput(f, debug.CrashOptions{}), f.Close())
	}
	if err != nil {
		c.Log.Warn("a crash will leave no report", zap.Error(err))
	}
	return crashed
}

// prune keeps the newest reports.
func (c crashes) prune() {
	reports, err := filepath.Glob(filepath.Join(c.Dir, "crash-*.log"))
	if err != nil {
		return
	}
	slices.Sort(reports)
	for _, old := range reports[:max(0, len(reports)-keptCrashReports)] {
		if err := os.Remove(old); err != nil {
			c.Log.Warn("could not remove an old crash report", zap.Error(err))
		}
	}
}

// release ends the reporting of a process that stopped in order.
func (c crashes) release() error {
	return errors.Join(debug.SetCrashOutput(nil, debug.CrashOptions{}), ignoreMissing(os.Remove(filepath.Join(c.Dir, crashReport))))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
