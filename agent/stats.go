package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/uni-aims/aimsd/reporting"
)

// stats are the daemon's own numbers, for /metrics and readiness.
type stats struct {
	registry *prometheus.Registry
	seconds  *prometheus.HistogramVec // by stage
	latency  prometheus.Histogram
	objects  prometheus.Counter

	mu     sync.Mutex
	faults map[string]error
}

// newStats registers the daemon's metrics; frame counts come from the store, so that they add up at every
// scrape and outlive restarts.
func newStats(store *reporting.Store) *stats {
	s := &stats{
		registry: prometheus.NewRegistry(),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "aimsd_stage_seconds", Help: "Busy time per frame and stage.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 12),
		}, []string{"stage"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "aimsd_frame_latency_seconds", Help: "From a frame's last change to its committed result.",
			Buckets: prometheus.ExponentialBuckets(0.05, 2, 12),
		}),
		objects: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aimsd_objects_total", Help: "Objects found since the daemon started.",
		}),
		faults: map[string]error{},
	}
	s.registry.MustRegister(s.seconds, s.latency, s.objects, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &storeCollector{store: store})
	return s
}

// frame counts a frame's end.
func (s *stats) frame(res *reporting.Result, latency time.Duration) {
	if res == nil {
		return
	}
	s.objects.Add(float64(res.Objects))
	s.latency.Observe(latency.Seconds())
	t := res.TimingsMs
	for stage, ms := range map[string]float64{
		"decode": t.Decode, "scale": t.Scale, "normalise": t.Normalise, "infer": t.Infer, "stitch": t.Stitch,
		"dynamics": t.Dynamics, "measure": t.Measure, "write": t.Write, "total": t.Total,
	} {
		s.seconds.WithLabelValues(stage).Observe(ms / 1e3)
	}
}

// fault notes what is wrong with a part of the daemon; nil clears it.
func (s *stats) fault(part string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.faults, part)
	} else {
		s.faults[part] = err
	}
}

// current returns the faults there are.
func (s *stats) current() map[string]error {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]error, len(s.faults))
	for part, err := range s.faults {
		out[part] = err
	}
	return out
}

// storeCollector reads the frame accounting and the outbox from the store at every scrape.
type storeCollector struct{ store *reporting.Store }

var _ prometheus.Collector = (*storeCollector)(nil)

func (c *storeCollector) descs() (frames, causes, inFlight, outbox, outboxBytes *prometheus.Desc) {
	return prometheus.NewDesc("aimsd_frames_total", "Frames by source and outcome; received = processed + gated + rejected + dropped + in flight.", []string{"source", "outcome"}, nil),
		prometheus.NewDesc("aimsd_frames_causes_total", "Frames that were not processed, by source, outcome and cause; causes add up to the outcome.", []string{"source", "outcome", "cause"}, nil),
		prometheus.NewDesc("aimsd_frames_in_flight", "Frames accepted and not final.", []string{"source"}, nil),
		prometheus.NewDesc("aimsd_outbox_messages", "MQTT messages waiting.", nil, nil),
		prometheus.NewDesc("aimsd_outbox_bytes", "Bytes of MQTT messages waiting.", nil, nil)
}

// Describe implements prometheus.Collector.
func (c *storeCollector) Describe(out chan<- *prometheus.Desc) {
	a, b, d, e, f := c.descs()
	for _, desc := range []*prometheus.Desc{a, b, d, e, f} {
		out <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *storeCollector) Collect(out chan<- prometheus.Metric) {
	frames, causes, inFlight, outbox, outboxBytes := c.descs()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	accounts, err := c.store.Accounts(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(frames, fmt.Errorf("read counts: %w", err))
		return
	}
	for source, n := range accounts {
		for outcome, v := range map[string]int64{
			"received": n.Received, "processed": n.Processed, "gated": n.Gated, "rejected": n.Rejected, "dropped": n.Dropped,
		} {
			out <- prometheus.MustNewConstMetric(frames, prometheus.CounterValue, float64(v), source, outcome)
		}
		for outcome, by := range n.Causes {
			for cause, v := range by {
				out <- prometheus.MustNewConstMetric(causes, prometheus.CounterValue, float64(v), source, outcome, cause)
			}
		}
		out <- prometheus.MustNewConstMetric(inFlight, prometheus.GaugeValue, float64(n.InFlight), source)
	}
	messages, bytes, _, err := c.store.OutboxStats(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(outbox, fmt.Errorf("read outbox: %w", err))
		return
	}
	out <- prometheus.MustNewConstMetric(outbox, prometheus.GaugeValue, float64(messages))
	out <- prometheus.MustNewConstMetric(outboxBytes, prometheus.GaugeValue, float64(bytes))
}
