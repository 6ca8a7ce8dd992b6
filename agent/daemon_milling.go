package agent

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/uni-aims/aimsd/reporting"
)

// openMilling makes what follows milling, tells of it and, once armed, acts on it.
func (d *Daemon) openMilling(ctx context.Context) error {
	d.feedback = &reporting.FeedbackService{}
	d.steering = &steering{
		Store: d.store, Builder: d.builder, Alerts: d.alerts, Open: d.runs.openOf, Log: d.Log.Named("steer"),
	}
	if err := d.steering.open(&d.Config); err != nil {
		return usageError{err}
	}
	if len(d.steering.drivers) > 0 {
		d.feedback.Steering = d.steering
	}
	d.millings = &millings{
		Store: d.store, Builder: d.builder, Feedback: d.feedback, RunDir: d.runs.dir, Offer: d.steering.offer,
		Log: d.Log.Named("milling"), Now: time.Now, runs: map[string]*millingRun{}, last: map[string]uint64{},
	}
	d.millings.configure(ctx, &d.Config)
	d.runs.OnClosed = func(id, source string) {
		d.steering.closed(id, source)
		d.millings.closed(id, source)
	}
	return nil
}

// sameActs reports whether two configurations act on milling in the same way: drivers are made once.
func sameActs(a, b *Config) bool {
	acts := func(c *Config) map[string]ActConfig {
		m := map[string]ActConfig{}
		for _, e := range c.Milling {
			if e.Act.Controller != "" {
				m[e.Source] = e.Act
			}
		}
		return m
	}
	return reflect.DeepEqual(acts(a), acts(b))
}

// openOf is the run of a source that took a frame last and is open; "" for none.
func (r *runs) openOf(source string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var newest string
	var last time.Time
	for _, id := range slices.Sorted(maps.Keys(r.open)) {
		if run := r.open[id]; run.record.Source == source && run.closing == nil && !run.last.Before(last) {
			newest, last = id, run.last
		}
	}
	return newest
}
