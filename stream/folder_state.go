package stream

import (
	"os"
	"sync/atomic"
	"time"
)

// FolderStats counts what a Folder did since it was started.
type FolderStats struct {
	Delivered     uint64 // arrivals sent
	GivenUp       uint64 // files rejected because they never became complete
	Skipped       uint64 // backlog recorded as gated
	Scans         uint64 // full reconciling scans
	Overflows     uint64 // event queue overflows
	WatchRestarts uint64
	Candidates    int64 // files now waiting to be complete or to be admitted
	InFlight      int64 // files admitted and not settled
}

type folderCounts struct {
	delivered, givenUp, skipped, scans, overflows, restarts atomic.Uint64
	candidates                                              atomic.Int64
}

// Stats returns the counters; safe to call at any time.
func (f *Folder) Stats() FolderStats {
	f.mu.Lock()
	inflight := len(f.inflight)
	f.mu.Unlock()
	return FolderStats{
		Delivered:     f.counts.delivered.Load(),
		GivenUp:       f.counts.givenUp.Load(),
		Skipped:       f.counts.skipped.Load(),
		Scans:         f.counts.scans.Load(),
		Overflows:     f.counts.overflows.Load(),
		WatchRestarts: f.counts.restarts.Load(),
		Candidates:    f.counts.candidates.Load(),
		InFlight:      int64(inflight),
	}
}

func (f *Folder) setProblem(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.problem = err
}

func (f *Folder) setJournal(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.journal = err
}

func (f *Folder) hasProblem() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.problem != nil
}

func (f *Folder) beatNow(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.beat = now
}

// claim marks a key as on its way; false when it already is.
func (f *Folder) claim(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.inflight[key]; ok {
		return false
	}
	f.inflight[key] = struct{}{}
	return true
}

func (f *Folder) unclaim(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.inflight, key)
}

// setRoot notes the folder that was found; nil: it is away.
func (f *Folder) setRoot(info os.FileInfo) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.root = info
}

// away reports whether the folder is not the one whose files were admitted: a share that is not mounted now
// must not be taken for one whose files were removed.
func (f *Folder) away() bool {
	f.mu.Lock()
	root := f.root
	f.mu.Unlock()
	if root == nil {
		return true
	}
	info, err := os.Stat(f.Path)
	return err != nil || !os.SameFile(info, root)
}

// stopped says that nothing more is brought.
func (f *Folder) stopped() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started = false
}

// giveBack keeps an arrival until the folder is there again; a source that has stopped withdraws it.
func (f *Folder) giveBack(a Arrival) {
	f.mu.Lock()
	started := f.started
	if started {
		f.back = append(f.back, a)
	}
	f.mu.Unlock()
	if !started {
		f.withdraw(a)
	}
}

// withdraw ends what a source does about a frame that it does not bring.
func (f *Folder) withdraw(a Arrival) {
	f.unclaim(a.Key)
	if w, ok := f.Journal.(Withdrawer); ok {
		w.Withdraw(a.Admission)
	}
}

func (f *Folder) takeGivenBack() []Arrival {
	f.mu.Lock()
	defer f.mu.Unlock()
	back := f.back
	f.back = nil
	return back
}
