package infer

import "time"

// Timings are times per stage. Where every core does work of its own, each core's time counts by its share, so that
// the stages together are about what the clock shows.
type Timings struct{ Normalise, Infer, Stitch, Dynamics Busy }

// Busy is the time that a stage took.
type Busy time.Duration

// lap adds the time since start and returns the time now.
func (b *Busy) lap(start time.Time) time.Time {
	now := time.Now()
	*b += Busy(now.Sub(start))
	return now
}

// share adds the times of lanes that ran beside each other.
func (t *Timings) share(lanes []Timings) {
	n := Busy(max(len(lanes), 1))
	for _, l := range lanes {
		t.Normalise += l.Normalise / n
		t.Infer += l.Infer / n
		t.Stitch += l.Stitch / n
		t.Dynamics += l.Dynamics / n
	}
}
