//go:build linux

package e2e

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/reporting"
)

func TestAnIdleRunIsClosedAndTheNextFrameOpensAnother(t *testing.T) {
	s := newSite(t, "run: {idle_timeout: 500ms}\n")
	d := s.start()
	for n, name := range []string{"a.tif", "b.tif"} {
		put(t, filepath.Join(s.frames, name), smallTIFF(t, n+1))
		eventually(t, "the run has its report", func() bool {
			reports, err := filepath.Glob(filepath.Join(s.data, "runs", "*", reporting.ReportFile))
			require.NoError(t, err)
			return len(reports) == n+1
		})
	}
	for _, run := range s.runs() {
		require.Len(t, readSummary(t, run), 1)
	}
	require.Zero(t, d.stop())
	require.Len(t, s.runs(), 2)
}

func TestADaemonWithoutItsBrokerWorksAndSaysSo(t *testing.T) {
	s := newSite(t, "mqtt: {url: \"tcp://127.0.0.1:1\"}\n") // nothing listens there
	d := s.start()
	put(t, filepath.Join(s.frames, "a.tif"), smallTIFF(t, 1))
	require.Equal(t, 1, d.settled("acq", 1)["processed"])
	status, body := d.get("/readyz")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "degraded")
	began := time.Now()
	require.Zero(t, d.stop())
	require.Less(t, time.Since(began), 10*time.Second, "a stop does not wait for the broker for long")

	b := startBroker(t) // what waited is told at the next start
	sub := b.subscribe()
	s.settings = b.settings()
	d = s.start()
	require.Equal(t, filepath.Join(s.frames, "a.tif"), sub.frames(t, 1)[0].Path)
	require.Zero(t, d.stop())
}
