package agent

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/reporting"
)

// Reasons why a run closed.
const (
	closedByEnd  = "end"
	closedByIdle = "idle_timeout"
	closedByStop = "stop"
)

// runTime begins the names of runs: their first frame's time, UTC.
const runTime = "20060102-150405"

// closeAgain is how long a run waits that a full disk kept from being closed.
const closeAgain = 15 * time.Second

// runsFolder holds the runs' folders in the data directory.
const runsFolder = "runs"

// validRunID reports whether an id can name a run's folder without leaving the place of all runs. Streams
// refuse more, and say why, before a frame gets here.
func validRunID(id string) bool {
	return filepath.IsLocal(id) && !strings.ContainsAny(id, `/\`) && !strings.HasPrefix(id, ".")
}

// runs opens, finds and closes runs. It is safe for concurrent use.
type runs struct {
	Store        *reporting.Store
	Dir          string // data directory
	Builder      reporting.Builder
	IdleTimeout  time.Duration
	EncodeLabels func(w io.Writer, labels []int32, width, height int) error
	Describe     func(*reporting.Batch)  // fills in what the daemon knows: site, versions, model
	OnClosed     func(id, source string) // may be nil
	Log          *zap.Logger
	Now          func() time.Time

	mu      sync.Mutex
	open    map[string]*openRun // by run id
	current map[string]string   // source -> run id of frames that name none
}

// openRun is a run that takes frames.
type openRun struct {
	record   reporting.RunRecord
	out      *reporting.OutputFolder
	inFlight int
	last     time.Time
	ending   bool          // an explicit end was asked for
	closing  chan struct{} // not nil: its report is being written; closed when it is closed
	again    time.Time     // not to be closed before: the disk prevented it
}

// resume takes up the runs that a crash left open.
func (r *runs) resume(ctx context.Context) error {
	r.open, r.current = map[string]*openRun{}, map[string]string{}
	left, err := r.Store.OpenRuns(ctx)
	if err != nil {
		return err
	}
	for _, rec := range left {
		if _, err := r.enter(rec); err != nil {
			return err
		}
		if ownName(rec.ID, rec.Source) {
			r.current[rec.Source] = rec.ID
		}
		r.Log.Info("run resumed", zap.String("run_id", rec.ID), zap.String("source", rec.Source))
	}
	return nil
}

// name returns the id of the run that a frame of a source belongs to: the one its header asks for, the
// source's present one, or a new one. Nothing is opened yet.
func (r *runs) name(source, hint string) (string, error) {
	if hint != "" {
		if !validRunID(hint) {
			return "", fmt.Errorf("run_id %q cannot name a folder; use letters, digits, '.', '_' and '-'", hint)
		}
		return hint, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if id, ok := r.current[source]; ok {
		return id, nil
	}
	base := r.Now().UTC().Format(runTime) + "-" + source
	id := base
	for k := 2; r.taken(id); k++ {
		id = fmt.Sprintf("%s-%d", base, k)
	}
	r.current[source] = id
	return id, nil
}

// ownName reports whether the daemon itself named a source's run: one that a stream's header named takes no
// frames that name none.
func ownName(id, source string) bool {
	if len(id) < len(runTime) {
		return false
	}
	_, err := time.Parse(runTime, id[:len(runTime)])
	rest, ok := strings.CutPrefix(id[len(runTime):], "-"+source)
	return err == nil && ok && (rest == "" || rest[0] == '-')
}

func (r *runs) taken(id string) bool {
	if _, ok := r.open[id]; ok {
		return true
	}
	_, err := r.Store.Run(context.Background(), id)
	return err == nil
}

// begin makes sure that a run is open and counts one more frame in flight in it.
func (r *runs) begin(ctx context.Context, id, source string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	run, ok := r.open[id]
	for ok && run.closing != nil { // it is opened again when it is closed; other runs go on meanwhile
		r.mu.Unlock()
		select {
		case <-run.closing:
		case <-ctx.Done():
		}
		r.mu.Lock()
		if err := ctx.Err(); err != nil {
			return err
		}
		run, ok = r.open[id]
	}
	if !ok {
		rec := reporting.RunRecord{ID: id, Source: source, OpenedAt: r.Now().UTC()}
		rec.Provenance = r.provenance(rec)
		msg, err := r.Builder.Run(reporting.RunMessageOf(rec, reporting.RunTotals{}, r.dir(id)))
		if err != nil {
			return err
		}
		if err := r.Store.OpenRun(ctx, rec, msg); err != nil {
			return err
		}
		if run, err = r.enter(rec); err != nil {
			return err
		}
		r.Log.Info("run opened", zap.String("run_id", id), zap.String("source", source), zap.String("folder", r.dir(id)))
	}
	run.inFlight++
	run.last = r.Now()
	return nil
}

// enter adds an open run and its folder.
func (r *runs) enter(rec reporting.RunRecord) (*openRun, error) {
	out := &reporting.OutputFolder{Dir: r.dir(rec.ID), EncodeLabels: r.EncodeLabels, Log: r.Log}
	if err := out.Open(); err != nil {
		return nil, fmt.Errorf("open folder of run %s: %w", rec.ID, err)
	}
	run := &openRun{record: rec, out: out, last: r.Now()}
	r.open[rec.ID] = run
	return run, nil
}

// whileClosed runs fn with the folder of a run that is not open, and cannot be opened meanwhile; it does nothing
// where it is open.
func (r *runs) whileClosed(id string, fn func(dir string) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, open := r.open[id]; open {
		return nil
	}
	return fn(r.dir(id))
}

func (r *runs) dir(id string) string { return filepath.Join(r.Dir, runsFolder, id) }

// folder returns the output folder of an open run.
func (r *runs) folder(id string) (*reporting.OutputFolder, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if run, ok := r.open[id]; ok && run.closing == nil {
		return run.out, nil
	}
	return nil, fmt.Errorf("run %s is not open", id)
}

// done counts a frame of a run as final; end closes the run once no frame of it is in flight.
func (r *runs) done(ctx context.Context, id string, end bool) {
	r.mu.Lock()
	run, ok := r.open[id]
	if !ok {
		r.mu.Unlock()
		return
	}
	run.inFlight--
	run.last = r.Now()
	run.ending = run.ending || end
	closing := run.ending && run.inFlight <= 0
	r.mu.Unlock()
	if closing {
		r.close(ctx, id, closedByEnd)
	}
}

// expire closes the runs without a frame for the idle time.
func (r *runs) expire(ctx context.Context) {
	r.mu.Lock()
	var idle []string
	for id, run := range r.open {
		due := run.ending || r.Now().Sub(run.last) >= r.IdleTimeout
		if due && run.closing == nil && run.inFlight <= 0 && !r.Now().Before(run.again) {
			idle = append(idle, id)
		}
	}
	r.mu.Unlock()
	for _, id := range idle {
		reason := closedByIdle
		r.mu.Lock()
		if run, ok := r.open[id]; ok && run.ending {
			reason = closedByEnd
		}
		r.mu.Unlock()
		r.close(ctx, id, reason)
	}
}
