package agent

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/metrics/milling"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// milled leaves a run of n frames that were observed and decided about as the daemon does, with real clocks: the front
// advances by a thirtieth of the pattern with each, every seventh frame is frozen and one comes too late. It returns the data directory.
func milled(t *testing.T, plan milling.Plan, n int) (k *keeper, run string) {
	t.Helper()
	k = newKeeper(t, RetentionConfig{})
	topics, err := reporting.NewTopics("s", "i")
	require.NoError(t, err)
	m := &millings{
		Store: k.store, Builder: reporting.Builder{Topics: topics}, Feedback: &reporting.FeedbackService{}, RunDir: k.runs.dir,
		Log: zap.NewNop(), Now: time.Now, plans: map[string]milling.Plan{"acq": plan}, runs: map[string]*millingRun{}, last: map[string]uint64{},
	}
	for i := range n {
		name, seq := fmt.Sprintf("f%03d", i), uint64(i+1)
		if i == 20 || i == 21 { // these two come in the wrong order
			seq = uint64(42 - i)
		}
		adm, err := journal{store: k.store, runs: k.runs}.Admit(t.Context(), stream.Receipt{Source: "acq", Key: name, Name: name, RunHint: "mill", Seq: seq})
		require.NoError(t, err)
		a := stream.Arrival{Receipt: stream.Receipt{Source: "acq"}, Admission: adm}
		r, err := m.of(t.Context(), a)
		require.NoError(t, err)
		front, area, grey, sure, nm := 10*float64(i)/3, 500*float64(i), 0.4, 0.9, 4.7
		o := milling.Observation{
			NmPerPx: &nm, LengthPx: 100, Reference: i == 0, FrontPx: &front, AreaPx: &area, Intensity: &grey, Confidence: &sure,
			Drift: &milling.Shift{XPx: 0.1 * float64(i), YPx: -0.2 * float64(i), Success: true, Score: 0.9},
		}
		if i%7 == 6 {
			o.Quality = []string{"frozen"}
		}
		m.identify(&o, a, time.Now()) // a pushed frame has no other time than that of its arrival
		rec := reporting.FrameRecord{ID: adm.FrameID, RunID: adm.RunID, Source: "acq", Seq: adm.Seq}
		res := &reporting.Result{Milling: &reporting.Milling{ROI: plan.ROI, Observation: o}, Time: time.Now()}
		next, _, err := m.conclude(r, rec, res.Milling, nil)
		require.NoError(t, err)
		o = res.Milling.Observation
		require.Equal(t, []time.Time{o.FrameTime.Round(0), o.DecisionTime.Round(0)}, []time.Time{o.FrameTime, o.DecisionTime}, "as the store has them")
		require.NoError(t, k.store.Commit(t.Context(), reporting.Completion{FrameID: adm.FrameID, State: "processed", Folder: name, Result: res, Summary: []byte("{}")}))
		m.publish(next)
		k.runs.done(t.Context(), adm.RunID, i == n-1)
		run = adm.RunID
	}
	return k, run
}

func planOf(threshold float64) milling.Plan {
	plan := milling.DefaultPlan()
	plan.ROI = milling.Rectangle{Left: 0.2, Top: 0.2, Width: 0.4, Height: 0.4}
	plan.Endpoint.Threshold = threshold
	return plan
}

// configure writes a configuration that mills in source.
func configure(t *testing.T, data, source string, threshold float64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "aimsd.yaml")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil,
		"data_dir: %s\nmilling:\n  - {source: %s, roi: {left: 0.2, top: 0.2, width: 0.4, height: 0.4}, endpoint: {threshold: %g}}\n", data, source, threshold), 0o600))
	return path
}

func TestAReplayDecidesAsTheDaemonDid(t *testing.T) {
	k, run := milled(t, planOf(0.8), 40)
	replayed := func(args ...string) (code int, out, said string) {
		var stdout, stderr bytes.Buffer
		code = Main(append([]string{"watch", "--replay"}, args...), &stdout, &stderr)
		return code, stdout.String(), stderr.String()
	}
	same := configure(t, k.store.Dir(), "acq", 0.8)
	code, out, said := replayed("--run", run, "-c", same)
	require.Equal(t, exitOK, code, said)
	require.Equal(t, 41, strings.Count(out, "\n"))
	require.Contains(t, out, "40 decisions: every one equals the recorded one\n")
	require.Contains(t, out, "frame 7  ABSTAIN   do not act on this frame: the image is frozen  [IMAGE_FROZEN]\n")
	require.Contains(t, out, "frame 21  ABSTAIN   do not act on this frame: it is older than one before it  [OUT_OF_ORDER]\n")
	require.Contains(t, out, "  PAUSE     pause milling: the end-point is reached, progress")

	code, out, said = replayed("--run", run, "-c", configure(t, k.store.Dir(), "acq", 0.5))
	require.Equal(t, exitFailed, code)
	require.Contains(t, said, "40 of 40 decisions differ; first frame 1 of source acq: endpoint.threshold_value was ")
	require.Regexp(t, `; \d+ with another advice, the first other advice is at frame 1\d: CONTINUE was recorded, PAUSE is decided\n$`, said)
	require.Equal(t, 1, strings.Count(said, "\n"))
	require.Equal(t, 40, strings.Count(out, "\n"))

	code, out, said = replayed("--run", run, "-c", configure(t, k.store.Dir(), "other", 0.8))
	require.Equal(t, exitFailed, code, "nothing was compared")
	require.Contains(t, said, "mills nothing in source acq: its recorded decisions are shown")
	require.Contains(t, out, "  PAUSE     pause milling: the end-point is reached, progress")

	for want, args := range map[string][]string{
		"--replay needs a run":   {"-c", same},
		"leave out --json":       {"--run", run, "-c", same, "--json"},
		`there is no run "x" in`: {"--run", "x", "-c", same},
	} {
		code, _, said = replayed(args...)
		require.Equal(t, exitUsage, code, said)
		require.Contains(t, said, want)
	}
	code, _, said = replayed("--run", run, "-c", same, "--source", "none")
	require.Equal(t, exitFailed, code)
	require.Contains(t, said, "no frame in which something is milled")
}

func TestTheReportOfAMilledRunIsAFunctionOfTheStore(t *testing.T) {
	k, run := milled(t, planOf(0.8), 40)
	first := reportFiles(t, k.runs.dir(run))
	for _, want := range []string{"<h2>Milling</h2>", "Figure M1", "Figure M2", "Figure M3", "Table M1", "end-point, frame 2", "threshold 80.0 %", "image frozen 5, out of order 1"} {
		require.Contains(t, first[reporting.ReportFile], want)
	}
	require.Contains(t, first[reporting.SummaryJSONFile], `"endpoint_reached": true`)
	require.Contains(t, first[reporting.SummaryCSVFile], ",time,progress,front_nm,drift_x_px,drift_y_px,advice\n")
	dir := t.TempDir()
	_, _, err := reportRun(t.Context(), k.store.Dir(), run, dir)
	require.NoError(t, err)
	require.Equal(t, first, reportFiles(t, dir))
}
