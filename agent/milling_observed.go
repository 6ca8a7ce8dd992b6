package agent

import (
	"context"
	"slices"

	"github.com/uni-aims/aimsd/metrics/milling"
	"github.com/uni-aims/aimsd/reporting"
)

// observedFrame is a frame of a milling source as the store has it.
type observedFrame struct {
	source   string
	seq      uint64
	nmPerPx  *float64
	analysed reporting.Analysed
	*reporting.Milling
}

// observed are a run's frames of a source ("": of every one) in the order in which they were decided about: frames that
// are pushed may come in another one than that of their numbers.
func observed(ctx context.Context, store *reporting.Store, id, source string) (frames []observedFrame, err error) {
	for r, err := range store.DoneResults(ctx, id, source) {
		if err != nil {
			return nil, err
		}
		if r.Result.Milling != nil {
			frames = append(frames, observedFrame{r.Frame.Source, r.Frame.Seq, r.Result.Scale.NmPerPx, r.Result.Image.Analysed, r.Result.Milling})
		}
	}
	slices.SortStableFunc(frames, func(a, b observedFrame) int {
		return a.Observation.DecisionTime.Compare(b.Observation.DecisionTime)
	})
	return frames, nil
}

// replay is a tracker that knows what was recorded of a run, and the frame that its others are compared with; nil while
// none was good enough, and the next good one becomes it.
func (m *millings) replay(ctx context.Context, run, source string, plan milling.Plan) (*milling.Tracker, *observedFrame, error) {
	frames, err := observed(ctx, m.Store, run, source)
	if err != nil {
		return nil, nil, err
	}
	tracker := milling.NewTracker(plan)
	var first *observedFrame
	for i := range frames {
		f := &frames[i]
		tracker.Decide(f.Observation)
		if first == nil && f.Observation.Reference {
			first = f
		}
	}
	return tracker, first, nil
}
