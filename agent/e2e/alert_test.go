//go:build linux

package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/reporting"
)

func TestAlertIsRetainedWhileItIsActive(t *testing.T) {
	b := startBroker(t)
	sub := b.subscribe()
	s := newSite(t, b.settings()+"rules: [{code: TOO_MANY, metric: objects, max: 0, severity: critical}]\n")
	d := s.start()
	put(t, filepath.Join(s.frames, "particles.tif"), smallTIFF(t, 1))
	d.settled("acq", 1)

	active := func() []message { return b.retained(topic("alert/#")) }
	var kept message
	eventually(t, "alert is retained", func() bool {
		all := active()
		if len(all) == 1 {
			kept = all[0]
		}
		return len(all) == 1
	})
	require.True(t, strings.HasPrefix(kept.topic, topic("alert/TOO_MANY/")), kept.topic)
	var raised reporting.AlertMessage
	kept.decode(t, &raised)
	require.Equal(t, "raised", raised.State)
	require.Equal(t, "critical", raised.Severity)
	require.Positive(t, *raised.Value)
	require.Zero(t, *raised.Limit)
	require.Equal(t, sub.frames(t, 1)[0].FrameID, raised.FrameID)

	require.Zero(t, d.stop())
	require.Len(t, active(), 1, "a stop clears no alert")
	d = s.start()
	put(t, filepath.Join(s.frames, "black.tif"), constantTIFF(t, side, side, 0))
	d.settled("acq", 2)
	eventually(t, "alert is cleared on the broker", func() bool { return len(active()) == 0 })
	told := sub.on(kept.topic)
	require.Empty(t, told[len(told)-1].payload, "an empty message clears it")
	require.Zero(t, d.stop())
}
