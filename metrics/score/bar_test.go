package score

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func ptr(v float64) *float64 { return &v }

func readable(value float64, unit string, length float64) *BarTruth {
	return &BarTruth{HasBar: true, Value: &value, Unit: unit, LengthPx: &length, UncertainPx: 0.5}
}

func TestValueAndUnitMustBothBeRight(t *testing.T) {
	read := func(v float64, unit string) BarRead {
		return BarRead{LengthPx: 100, Value: &v, Unit: unit, NmPerPx: ptr(1)}
	}
	truth := readable(1, "um", 100)
	require.Equal(t, Right, ScoreBar(truth, read(1, "um")).Verdict)
	require.Equal(t, Right, ScoreBar(truth, read(1000, "nm")).Verdict, "the same length in another unit")
	require.Equal(t, Wrong, ScoreBar(truth, read(1, "nm")).Verdict)
	require.Equal(t, Wrong, ScoreBar(truth, read(10, "um")).Verdict)
	require.Equal(t, Wrong, ScoreBar(truth, read(1, "inch")).Verdict)
	require.Equal(t, Missing, ScoreBar(truth, BarRead{}).Verdict)
	require.Equal(t, Missing, ScoreBar(truth, BarRead{LengthPx: 100, Value: ptr(1), Unit: "um"}).Verdict, "no scale was given")
}

func TestAScaleWhereNoneIsStatedIsInvented(t *testing.T) {
	for _, truth := range []*BarTruth{{}, {HasBar: true}} {
		require.Equal(t, Invented, ScoreBar(truth, BarRead{NmPerPx: ptr(2)}).Verdict)
		require.Equal(t, Absent, ScoreBar(truth, BarRead{LengthPx: 30}).Verdict)
	}
	clipped := readable(1, "um", 100)
	clipped.Clipped = true
	require.Equal(t, Skipped, ScoreBar(clipped, BarRead{NmPerPx: ptr(2)}).Verdict)
}

func TestLengthsAreHeldToTheNearestAcceptedOne(t *testing.T) {
	truth := readable(1, "um", 100)
	require.InDelta(t, -3, *ScoreBar(truth, BarRead{LengthPx: 97}).LengthErrorPx, 1e-12)
	truth.LengthCCPx = ptr(96.5)
	require.InDelta(t, 0.5, *ScoreBar(truth, BarRead{LengthPx: 97}).LengthErrorPx, 1e-12)
	truth.AltX0, truth.AltX1 = ptr(3), ptr(100.25)
	require.InDelta(t, -0.25, *ScoreBar(truth, BarRead{LengthPx: 97}).LengthErrorPx, 1e-12)
	none := ScoreBar(truth, BarRead{})
	require.True(t, none.LengthJudged)
	require.Nil(t, none.LengthErrorPx)
	truth.UncertainPx = 1
	require.False(t, ScoreBar(truth, BarRead{LengthPx: 97}).LengthJudged)
}

func TestBarsArePooled(t *testing.T) {
	var bars []Bar
	for i := range 20 {
		bars = append(bars, Bar{Verdict: Right, LengthJudged: true, LengthErrorPx: ptr(-float64(i) / 10)})
	}
	bars = append(bars, Bar{Verdict: Wrong, LengthJudged: true}, Bar{Verdict: Missing}, Bar{Verdict: Invented},
		Bar{Verdict: Absent}, Bar{Verdict: Skipped})
	s := SummariseBars(bars)
	require.Equal(t, []int{25, 22, 20, 1, 1, 2, 1, 1}, []int{s.Images, s.Readable, s.Right, s.Wrong, s.Missing, s.Unscaled, s.Invented, s.Skipped})
	require.Equal(t, 21, s.Lengths.Judged)
	require.Equal(t, 20, s.Lengths.Reported)
	require.InDelta(t, 0.95, *s.Lengths.MAEPx, 1e-12)
	require.InDelta(t, 0.95, *s.Lengths.MedianPx, 1e-12)
	require.InDelta(t, 1.9, *s.Lengths.P95Px, 1e-12)
	require.InDelta(t, 7.0/20, *s.Lengths.WithinPaper, 1e-12)
	require.Nil(t, SummariseBars(nil).Lengths.MAEPx)
}

func TestTruthsThatNoReadingCanMeetAreRefused(t *testing.T) {
	require.NoError(t, (&BarTruth{ID: "a"}).Validate())
	require.NoError(t, (&BarTruth{ID: "a", HasBar: true, Value: ptr(2), Unit: "µm"}).Validate())
	for want, truth := range map[string]*BarTruth{
		"it has no id; give the image's name without extension":                   {},
		"a has the value 0; it must be positive, or null where it cannot be read": {ID: "a", HasBar: true, Value: ptr(0), Unit: "nm"},
		`a has the unit "inch"; use pm, A, nm, um or mm`:                          {ID: "a", HasBar: true, Value: ptr(1), Unit: "inch"},
	} {
		require.EqualError(t, truth.Validate(), want)
	}
}
