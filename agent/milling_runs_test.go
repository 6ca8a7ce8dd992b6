package agent

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/infer"
	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/metrics/milling"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream/simulate"
)

// millingScores is what came of simulated runs.
type millingScores struct {
	runs, frames, found, early int
	abstained                  map[string]int // frames by reason
	shiftWrong, shifts         int            // said to be right and off by more than 1 px
	frontOff                   []float64      // px, of frames that show it
	late                       []string
}

// envNumber is a number from the environment.
func envNumber(t *testing.T, key string, fallback int) int {
	t.Helper()
	s := os.Getenv(key)
	if s == "" {
		return fallback
	}
	n, err := strconv.Atoi(s)
	require.NoError(t, err, key)
	return n
}

// Simulated runs, frame by frame through what the daemon does with the pixels: quality, prints of frozen frames, drift, front,
// decision. MILLING_RUNS=200 MILLING_SEED=n plays as many from another seed on (make milling); two are played always.
func TestMillingRunsEndWhereTheyShould(t *testing.T) {
	runs, seed, size := envNumber(t, "MILLING_RUNS", 2), envNumber(t, "MILLING_SEED", 4), envNumber(t, "MILLING_SIZE", 512)
	s := millingScores{abstained: map[string]int{}}
	for i := range runs {
		s.play(t, uint64(seed+i), size)
	}
	slices.Sort(s.frontOff)
	off := func(share float64) float64 { return s.frontOff[int(share*float64(len(s.frontOff)-1))] }
	t.Logf("%d runs, %d frames: end-point within 2 frames in %d (%.1f %%), false stops %d (%.2f per 10 000 frames)",
		s.runs, s.frames, s.found, 100*float64(s.found)/float64(s.runs), s.early, 1e4*float64(s.early)/float64(s.frames))
	t.Logf("front off by %.1f..%.1f px (10th to 90th percentile), median %.1f; shift off by more than 1 px and not said so: %d of %d", off(0.1), off(0.9), off(0.5), s.shiftWrong, s.shifts)
	for _, reason := range slices.Sorted(maps.Keys(s.abstained)) {
		t.Logf("abstained, %s: %d", reason, s.abstained[reason])
	}
	for _, l := range s.late {
		t.Log(l)
	}
	missed := s.runs - s.found
	require.LessOrEqual(t, missed, s.runs/100, "runs whose end-point was not found within 2 frames")
	require.LessOrEqual(t, s.early, s.frames/10000, "runs that were ended early")
}

// play plays one run to six frames beyond its end.
func (s *millingScores) play(t *testing.T, seed uint64, size int) {
	t.Helper()
	scene := &simulate.Milling{Width: size, Height: size, Seed: seed}
	roi, direction, err := scene.Plan()
	require.NoError(t, err)
	plan := milling.DefaultPlan()
	plan.ROI, plan.ScanDirection = milling.Rectangle(roi), direction
	plan.RealignPx = 1000 // nobody corrects the drift here
	require.NoError(t, plan.Validate())
	observer, tracker := milling.NewObserver(plan), milling.NewTracker(plan)
	var seen prints
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	end, detected := 0, 0
	for i := 1; end == 0 || i <= end+6; i++ {
		fr, err := scene.Frame(context.Background(), i)
		require.NoError(t, err)
		truth := fr.Truth.Milling
		require.NotNil(t, truth.EndpointIndex)
		end = *truth.EndpointIndex
		area := metrics.Rect{X1: fr.Width, Y1: fr.ImageRows}
		l := lookAt(infer.Image{Width: fr.Width, Height: fr.Height, Stride: fr.Width, Gray8: fr.Gray8}, area)
		res := reporting.Result{ImageQuality: l.quality.Flags}
		seen.compare("fib", &l.print, &res)
		o, err := observer.Observe(milling.Frame{Width: fr.Width, Height: fr.Height, Gray8: fr.Gray8, Analysed: area}, res.ImageQuality, fr.Truth.NmPerPx)
		require.NoError(t, err)
		o.Seq, o.FrameTime = uint64(i), start.Add(time.Duration(i)*time.Second)
		o.DecisionTime = o.FrameTime.Add(200 * time.Millisecond)
		d := tracker.Decide(o)
		s.frames++
		if d.Advice == milling.Abstain {
			s.abstained[strings.Join(d.Reasons, "+")]++
		}
		if o.Drift != nil && o.Drift.Success {
			s.shifts++
			if math.Hypot(o.Drift.XPx-truth.DriftPx.X, o.Drift.YPx-truth.DriftPx.Y) > 1 {
				s.shiftWrong++
			}
		}
		if o.FrontPx != nil {
			s.frontOff = append(s.frontOff, *o.FrontPx-truth.FrontPx)
		}
		if testing.Verbose() && os.Getenv("MILLING_FRAMES") != "" {
			t.Logf("%3d progress %.3f front %.1f seen %v shift %v %s %v, truly %v", i, truth.Progress, truth.FrontPx, shownPx(o.FrontPx), o.Drift, d.Advice, d.Reasons, truth.Faults)
		}
		if d.Endpoint.Detected && detected == 0 {
			detected = i
		}
	}
	s.runs++
	switch {
	case detected == 0 || detected > end+2:
		s.late = append(s.late, fmt.Sprintf("seed %d %s: end at frame %d, told at %d", seed, direction, end, detected))
	case detected < end-2:
		s.early++
		s.late = append(s.late, fmt.Sprintf("seed %d %s: end at frame %d, told at %d: a false stop", seed, direction, end, detected))
	default:
		s.found++
	}
}

func shownPx(v *float64) string {
	if v == nil {
		return "nothing"
	}
	return fmt.Sprintf("%.1f", *v)
}
