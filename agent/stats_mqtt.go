package agent

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uni-aims/aimsd/reporting"
)

// outletStats count what reached the broker, what never will, and what is kept of alerts.
type outletStats struct {
	Store     *reporting.Store
	Evidence  *evidence        // may be nil
	Connected func() error     // nil without a broker
	Now       func() time.Time // nil: time.Now
	sent      *prometheus.CounterVec
	delay     prometheus.Histogram
}

var _ prometheus.Collector = (*outletStats)(nil)

func (o *outletStats) init() {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.sent = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "aimsd_mqtt_messages_total", Help: "Messages that the broker acknowledged, by kind; historical ones had waited for a connection.",
	}, []string{"kind", "historical"})
	o.delay = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "aimsd_mqtt_delay_seconds", Help: "From a message's making to the broker's acknowledgement, without historical ones.",
		Buckets: prometheus.ExponentialBuckets(0.005, 2.5, 10),
	})
}

// observe counts a message that the broker has.
func (o *outletStats) observe(m reporting.Message, late bool, delay time.Duration) {
	kind := "other"
	if levels := strings.SplitN(m.Topic, "/", 6); len(levels) > 4 {
		kind = levels[4]
	}
	o.sent.WithLabelValues(kind, fmt.Sprint(late)).Inc()
	if !late {
		o.delay.Observe(delay.Seconds())
	}
}

// outletDescs are the metrics, by name without prefix.
func outletDescs() map[string]*prometheus.Desc {
	return map[string]*prometheus.Desc{
		"connected": prometheus.NewDesc("aimsd_mqtt_connected", "1 while connected to the broker.", nil, nil),
		"evicted": prometheus.NewDesc("aimsd_outbox_evicted_total",
			"Messages that a full or overdue outbox gave up, since the store began; alerts go last.", []string{"kind"}, nil),
		"oldest": prometheus.NewDesc("aimsd_outbox_oldest_seconds", "Age of the oldest message that waits; 0 when none does.", nil, nil),
		"active": prometheus.NewDesc("aimsd_alerts_active", "Alerts that are not cleared, by severity.", []string{"severity"}, nil),
		"evidence": prometheus.NewDesc("aimsd_evidence_total",
			"Evidence of alerts: bundles that were finished, and parts that were left out.", []string{"outcome"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (o *outletStats) Describe(out chan<- *prometheus.Desc) {
	o.sent.Describe(out)
	o.delay.Describe(out)
	for _, d := range outletDescs() {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (o *outletStats) Collect(out chan<- prometheus.Metric) {
	o.sent.Collect(out)
	o.delay.Collect(out)
	descs := outletDescs()
	value := func(name string, kind prometheus.ValueType, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(descs[name], kind, v, labels...)
	}
	if o.Connected != nil {
		connected := 0.0
		if o.Connected() == nil {
			connected = 1
		}
		value("connected", prometheus.GaugeValue, connected)
	}
	if o.Evidence != nil {
		value("evidence", prometheus.CounterValue, float64(o.Evidence.made.Load()), "made")
		value("evidence", prometheus.CounterValue, float64(o.Evidence.dropped.Load()), "dropped")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if frames, events, alerts, err := o.Store.Evicted(ctx); err != nil {
		out <- prometheus.NewInvalidMetric(descs["evicted"], err)
	} else {
		value("evicted", prometheus.CounterValue, float64(frames), "frame")
		value("evicted", prometheus.CounterValue, float64(events), "event")
		value("evicted", prometheus.CounterValue, float64(alerts), "alert")
	}
	if _, _, oldest, err := o.Store.OutboxStats(ctx); err != nil {
		out <- prometheus.NewInvalidMetric(descs["oldest"], err)
	} else {
		age := 0.0
		if !oldest.IsZero() {
			age = max(o.Now().Sub(oldest).Seconds(), 0)
		}
		value("oldest", prometheus.GaugeValue, age)
	}
	active, err := o.Store.ActiveAlerts(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(descs["active"], err)
		return
	}
	by := map[string]int{"info": 0, "warning": 0, "critical": 0}
	for _, a := range active {
		by[a.Severity]++
	}
	for severity, n := range by {
		value("active", prometheus.GaugeValue, float64(n), severity)
	}
}
