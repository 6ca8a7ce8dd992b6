package agent

import (
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/metrics/rules"
	"github.com/uni-aims/aimsd/reporting"
)

func TestWhatReachesTheBrokerAndWhatNeverWillIsCounted(t *testing.T) {
	b := newAlertBench(t, tooMany(rules.Rule{Severity: rules.Critical}))
	o := &outletStats{Store: b.Store, Evidence: &evidence{}, Connected: func() error { return errors.New("away") }, Now: func() time.Time { return b.clock.Add(time.Minute) }}
	o.init()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(o)
	b.objects(150)
	o.observe(reporting.Message{Topic: "aims/v1/lab/sem/frame"}, true, time.Hour)
	o.observe(reporting.Message{Topic: "aims/v1/lab/sem/alert/A/b"}, false, time.Millisecond)
	o.Evidence.dropped.Add(2)
	rec := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{
		`aimsd_alerts_active{severity="critical"} 1`, `aimsd_alerts_active{severity="info"} 0`,
		`aimsd_evidence_total{outcome="dropped"} 2`, `aimsd_evidence_total{outcome="made"} 0`,
		`aimsd_mqtt_connected 0`,
		`aimsd_mqtt_messages_total{historical="false",kind="alert"} 1`, `aimsd_mqtt_messages_total{historical="true",kind="frame"} 1`,
		`aimsd_mqtt_delay_seconds_count 1`,
		`aimsd_outbox_evicted_total{kind="frame"} 0`, `aimsd_outbox_evicted_total{kind="alert"} 0`,
		`aimsd_outbox_oldest_seconds 60`,
	} {
		require.Contains(t, rec.Body.String(), line+"\n")
	}
}
