package reporting

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/metrics/milling"
)

// millingAt is what a store holds of frame i of a run of n, one each second: the front reaches the end at 9/10 of it.
func millingAt(i, n int, scaled bool) *Milling {
	front := 100 * float64(i) / (0.9 * float64(n))
	progress, threshold := front/100, 1.0
	m := &Milling{
		Observation: milling.Observation{
			FrameTime: time.Unix(1_800_000_000+int64(i), 0), LengthPx: 100, Drift: &milling.Shift{XPx: 0.1 * float64(i), YPx: -0.2 * float64(i), Success: true},
		},
		Decision: &milling.Decision{
			Advice: milling.Continue, Text: "progress", Endpoint: milling.EndpointState{Metric: milling.MetricProgress, ThresholdValue: &threshold},
			Geometry: &milling.Geometry{FrontPx: &front, Progress: &progress},
		},
	}
	if scaled {
		nm, metres := 5.0, 5e-9*front
		m.Observation.NmPerPx, m.Decision.Geometry.FrontM = &nm, &metres
	}
	if progress >= 1 {
		m.Decision.Advice, m.Decision.Endpoint.Detected, m.Decision.Reasons = milling.Pause, true, []string{milling.ReasonEndpoint}
	}
	if i%10 == 9 {
		m.Decision.Advice, m.Decision.Reasons, m.Decision.Geometry, m.Observation.Drift = milling.Abstain, []string{"IMAGE_FROZEN"}, nil, nil
		m.Decision.Text = "do not act on this frame: <b>frozen</b>"
	}
	return m
}

// milledBatch is a run of n frames, the last of them rejected.
func milledBatch(n int, scaled bool, sources ...string) Batch {
	b := Batch{Run: RunRecord{ID: "R1", OpenedAt: time.Unix(1_800_000_000, 0), ClosedAt: time.Unix(1_900_000_000, 0)}, ExitStatus: "success"}
	for i := range n {
		for _, source := range sources {
			b.Inputs = append(b.Inputs, BatchInput{
				Path: fmt.Sprintf("/%s/%d.tif", source, i), Status: StatusOK, Result: &Result{}, Milling: MillingFrameOf(source, uint64(i+1), millingAt(i, n, scaled)),
			})
		}
	}
	b.Inputs = append(b.Inputs, BatchInput{Path: "/torn.tif", Status: StatusFailed, Error: "torn"})
	return b
}

func written(t *testing.T, b Batch) (csvText, jsonText, page string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, WriteBatch(dir, b))
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return string(text)
	}
	return read(SummaryCSVFile), read(SummaryJSONFile), read(ReportFile)
}

func TestTheReportTellsHowMillingWent(t *testing.T) {
	b := milledBatch(100, true, "acq")
	table, text, page := written(t, b)
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	require.NoError(t, err)
	n := len(summaryHeader())
	require.Equal(t, summaryHeader(), rows[0][:n], "what was there stays where it was")
	require.Equal(t, []string{"progress", "front_nm", "drift_x_px", "drift_y_px", "advice"}, rows[0][n:])
	require.Equal(t, []string{"0.5555556", "277.7778", "5", "-10", "CONTINUE"}, rows[51][n:])
	require.Equal(t, []string{"", "", "", "", "ABSTAIN"}, rows[10][n:])
	require.Equal(t, []string{"", "", "", "", ""}, rows[101][n:], "a rejected frame shows nothing")

	s := millingSummaryOf(&b)
	require.Equal(t, 100, s.Frames)
	require.InDelta(t, 99, s.DurationS, 1e-9)
	require.True(t, s.EndpointReached)
	require.EqualValues(t, 91, *s.EndpointSeq)
	require.InDelta(t, 90, *s.EndpointAfterS, 1e-9)
	require.InEpsilon(t, 98.0/90, *s.FinalProgress, 1e-9)
	require.InEpsilon(t, 5*98/0.9, *s.FinalFrontNm, 1e-9)
	require.InEpsilon(t, 5/0.9, *s.MeanRateNmPerS, 1e-9, "nm/s")
	require.InEpsilon(t, 0.1*math.Sqrt(5)*98, *s.LargestDriftPx, 1e-9)
	require.InEpsilon(t, 0.5*math.Sqrt(5)*98, *s.LargestDriftNm, 1e-9)
	require.EqualValues(t, 99, *s.LargestDriftSeq)
	require.Equal(t, map[string]int{"CONTINUE": 81, "PAUSE": 9, "ABSTAIN": 10}, s.Advices)
	require.Equal(t, map[string]int{"IMAGE_FROZEN": 10}, s.Abstained)
	require.Contains(t, text, `"endpoint_seq": 91`)
	require.Contains(t, text, `"mean_rate_nm_per_s": 5.55`)

	for _, want := range []string{
		"<h2>Milling</h2>", "after 90 s, told by progress", "5.56 <small>nm/s</small>", "21.9 <small>px</small>", "110 nm, at frame 99", "image frozen 10",
		"end-point, frame 91", "threshold 100 %", "Drift (nm)", "&lt;b&gt;frozen&lt;/b&gt;", "<strong>PAUSE</strong>", "Time since the first frame (s)",
	} {
		require.Contains(t, page, want)
	}
	require.NotContains(t, page+text, "NaN")
	require.NotContains(t, page, "<script")
	table2, text2, page2 := written(t, b)
	require.Equal(t, []string{table, text, page}, []string{table2, text2, page2})
}

func TestARunWithoutMillingSaysNothingOfIt(t *testing.T) {
	b := milledBatch(3, true, "acq")
	for i := range b.Inputs {
		b.Inputs[i].Milling = nil
	}
	table, text, page := written(t, b)
	require.True(t, strings.HasPrefix(table, strings.Join(summaryHeader(), ",")+"\n"))
	require.NotContains(t, text, `"milling"`)
	require.NotContains(t, page, "Milling")
}

func TestMillingIsShownAsFarAsItIsKnown(t *testing.T) {
	_, _, page := written(t, milledBatch(30, false, "acq"))
	require.Contains(t, page, "Drift (px)")
	require.Contains(t, page, "threshold 100 %")

	b := milledBatch(30, true, "acq", "sem")
	s := millingSummaryOf(&b)
	require.Equal(t, "acq", s.Source)
	require.Len(t, s.Others, 1)
	require.Equal(t, "sem", s.Others[0].Source)
	_, _, page = written(t, b)
	require.Contains(t, page, "<h2>Milling of source sem</h2>")
	require.Contains(t, page, "Figure M2.1.")

	for n := range 3 { // nothing is seen in the first frames, one frame alone
		b := milledBatch(n+1, true, "acq")
		for i := range b.Inputs[:n+1] {
			m := b.Inputs[i].Milling
			m.Progress, m.DriftX, m.DriftY, m.Threshold, m.FrontNm, m.Advice = nil, nil, nil, nil, nil, milling.Abstain
			m.Reasons = []string{milling.ReasonNoScale}
		}
		_, text, page := written(t, b)
		require.NotContains(t, page+text, "NaN")
		require.NotContains(t, page+text, "Inf")
		require.Contains(t, page, "Figure M1")
		require.NotContains(t, page, "Figure M2")
		require.NotContains(t, page, "Figure M3")
	}
	for i := range b.Inputs { // copied files: all of one moment
		if m := b.Inputs[i].Milling; m != nil {
			m.Time = time.Unix(1_800_000_000, 0)
		}
	}
	_, _, page = written(t, b)
	require.Contains(t, page, ">Frame</text>")
	require.NotContains(t, page, "NaN")
}

func TestAnObservationThatIsNoNumberIsLeftOut(t *testing.T) {
	m := millingAt(5, 10, true)
	nan := math.NaN()
	m.Observation.Drift.XPx, m.Decision.Geometry.Progress, m.Observation.NmPerPx = nan, &nan, &nan
	f := MillingFrameOf("acq", 1, m)
	require.Nil(t, f.DriftX)
	require.Nil(t, f.Progress)
	require.Nil(t, f.NmPerPx)
	require.Nil(t, MillingFrameOf("acq", 1, nil))

	front, nm := 800.0, 5.0
	m = millingAt(5, 10, true)
	m.Observation.NmPerPx, m.Decision.Endpoint = &nm, milling.EndpointState{Metric: milling.MetricFront, ThresholdValue: &front}
	require.InEpsilon(t, 1.6, *MillingFrameOf("acq", 1, m).Threshold, 1e-9, "800 nm of a pattern of 500 nm")
	m.Decision.Endpoint.Metric = milling.MetricArea
	require.Nil(t, MillingFrameOf("acq", 1, m).Threshold)
}

func TestLongRunsAreThinnedAndKeepTheirExtremes(t *testing.T) {
	points := make([]chartPoint, 100_000)
	for i := range points {
		points[i] = chartPoint{float64(i), math.Sin(float64(i))}
		if i >= 40_000 && i < 50_000 {
			points[i].y = math.NaN()
		}
	}
	points[12_345].y, points[77_777].y = 9, -9
	thinned := thin(points, maxMillingPoints)
	require.LessOrEqual(t, len(thinned), maxMillingPoints)
	low, high, ok := span(thinned)
	require.True(t, ok)
	require.InDelta(t, -9, low, 0)
	require.InDelta(t, 9, high, 0)
	gap := 0
	for i, p := range thinned {
		if i > 0 {
			require.Greater(t, p.x, thinned[i-1].x)
		}
		if math.IsNaN(p.y) {
			gap++
		}
	}
	require.Positive(t, gap)

	b := milledBatch(20_000, true, "acq")
	began := time.Now()
	views := millingViews(&b)
	require.Less(t, time.Since(began), 5*time.Second)
	require.Less(t, len(views[0].Progress)+len(views[0].Drift)+len(views[0].Advice), 400_000)
	require.LessOrEqual(t, len(views[0].Changes), maxChanges)
	require.Contains(t, views[0].Omitted, "those into and out of ABSTAIN are left out")
	require.Equal(t, "PAUSE", views[0].Changes[len(views[0].Changes)-1].Advice)
}
