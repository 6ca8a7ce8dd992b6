package agent

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/metrics/rules"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

func TestDisagreeingPixelSizesRaiseAnAlertUntilTheyAgree(t *testing.T) {
	topics, err := reporting.NewTopics("lab", "sem")
	require.NoError(t, err)
	set, err := rules.Compile(allRules(nil))
	require.NoError(t, err)
	a := &alerts{Rules: set, Builder: reporting.Builder{Topics: topics}, Log: zap.NewNop()}
	require.Empty(t, a.restore(nil, allRules(nil), time.Now()))
	frame := func(s reporting.Scale) []alertChange {
		changes := a.evaluate(reporting.FrameRecord{ID: "f", Source: "acq", DoneAt: time.Now()}, &reporting.Result{Scale: s})
		a.committed(changes)
		return changes
	}
	meta := stream.Metadata{NmPerPx: 5, Width: 1024, Height: 768}
	require.Empty(t, frame(fused(1024, 768, meta, 5.05)))
	raised := frame(fused(512, 384, meta, 10))
	require.Len(t, raised, 1)
	require.Equal(t, "SCALE_MISMATCH/acq", raised[0].key)
	require.True(t, strings.HasSuffix(raised[0].messages[0].Topic, "/alert/SCALE_MISMATCH/acq"))
	require.True(t, raised[0].messages[0].Retained)
	var m reporting.AlertMessage
	require.NoError(t, json.Unmarshal(raised[0].state.Payload, &m))
	require.Equal(t, "raised", m.State)
	require.Equal(t, "critical", m.Severity)
	require.InDelta(t, 1, *m.Value, 1e-9)
	require.InDelta(t, 0.02, *m.Limit, 1e-9)
	require.Contains(t, m.Text, "factor of 2: the image was resized by 0.5")
	require.LessOrEqual(t, utf8.RuneCountInString(m.Text), 120)

	require.Empty(t, frame(fused(1024, 768, stream.Metadata{}, 3)), "one source alone changes nothing")
	cleared := frame(fused(1024, 768, meta, 5))
	require.Len(t, cleared, 1)
	require.Equal(t, "cleared", cleared[0].state.State)
}

func TestAConfiguredRuleReplacesTheBuiltInOne(t *testing.T) {
	limit := 0.1
	own := []rules.Rule{{Code: "SCALE_MISMATCH", Metric: "scale_mismatch", Max: &limit, Severity: rules.Info}}
	require.Equal(t, own, allRules(own))
	require.Len(t, allRules([]rules.Rule{{Code: "OTHER", Metric: "objects", Max: &limit}}), 2)
}
