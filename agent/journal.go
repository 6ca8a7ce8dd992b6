package agent

import (
	"context"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// journal is what the sources need of the store, with every new frame put into a run.
type journal struct {
	store *reporting.Store
	runs  *runs
	disk  *disk  // nil: there is always room
	stats *stats // nil: failures are told to the source alone
}

var (
	_ stream.Journal  = journal{}
	_ stream.Recaller = journal{}

	_ stream.Withdrawer = journal{}
)

// Admit implements stream.Journal. While the disk is full or read-only it admits nothing: the source keeps the
// frame and asks again.
func (j journal) Admit(ctx context.Context, r stream.Receipt) (stream.Admission, error) {
	if j.disk != nil {
		if err := j.disk.admits(); err != nil {
			return stream.Admission{}, err
		}
	}
	a, err := j.admit(ctx, r)
	if j.stats != nil {
		if !reporting.DiskFault(err) {
			j.stats.fault("journal", nil)
		} else {
			j.stats.fault("journal", err)
		}
	}
	return a, err
}

func (j journal) admit(ctx context.Context, r stream.Receipt) (stream.Admission, error) {
	run, err := j.runs.name(r.Source, r.RunHint)
	if err != nil {
		return stream.Admission{}, err
	}
	rec, _, err := j.store.Admit(ctx, record(r, run))
	if err != nil {
		return stream.Admission{}, err
	}
	if rec.State == string(stream.StateAccepted) {
		if err := j.runs.begin(ctx, rec.RunID, r.Source); err != nil {
			return stream.Admission{}, err
		}
	}
	return stream.Admission{
		FrameID: rec.ID, RunID: rec.RunID, Seq: rec.Seq, State: stream.State(rec.State), Result: rec.Summary,
	}, nil
}

// Withdraw implements stream.Withdrawer: the frame's run does not wait for it.
func (j journal) Withdraw(a stream.Admission) { j.runs.done(context.Background(), a.RunID, false) }

// Skip implements stream.Journal.
func (j journal) Skip(ctx context.Context, rs []stream.Receipt) error {
	recs := make([]reporting.FrameRecord, len(rs))
	for i, r := range rs {
		recs[i] = record(r, "")
		recs[i].Reason = r.SkipReason
	}
	return j.store.Skip(ctx, recs)
}

// FirstSight implements stream.Journal.
func (j journal) FirstSight(ctx context.Context, source string) (bool, error) {
	return j.store.FirstSight(ctx, source)
}

// Recall implements stream.Recaller.
func (j journal) Recall(ctx context.Context, source, keyPrefix string) (bool, error) {
	return j.store.Recall(ctx, source, keyPrefix)
}

func record(r stream.Receipt, run string) reporting.FrameRecord {
	return reporting.FrameRecord{
		RunID: run, Source: r.Source, Key: r.Key, Path: r.Path, Name: r.Name, Seq: r.Seq, Size: r.Size,
	}
}
