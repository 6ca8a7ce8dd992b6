package agent

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/infer"
)

// needLibrary skips a test that runs the network where there is no library.
func needLibrary(t *testing.T) {
	t.Helper()
	if _, err := infer.FindLibrary(); err != nil {
		t.Skipf("SKIPPED, NOT TESTED: %v", err)
	}
}

func TestTheEmbeddedNetworksPassTheSelfTest(t *testing.T) {
	needLibrary(t)
	for _, model := range []string{"large-int8", "large-fp32", "large-fp16", "light-int8", "light-fp32", "light-fp16"} {
		a, err := OpenAnalyser(t.Context(), InferConfig{Provider: "cpu", Model: model})
		require.NoError(t, err)
		start := time.Now()
		require.NoError(t, a.selfTest(t.Context()), model)
		image, discs := golden()
		s, err := a.Segmenter.Segment(t.Context(), image)
		require.NoError(t, err)
		found, extra := tally(s, discs)
		t.Logf("%s: %d of %d discs, %d objects beside them, %s", model, found, len(discs), extra, time.Since(start))
		require.NoError(t, a.Close())
	}
}

func TestAnswersThatAreWrongDoNotPass(t *testing.T) {
	_, discs := golden()
	nothing := &infer.Segmentation{Width: goldenSide, Height: goldenSide, Labels: make([]int32, goldenSide*goldenSide)}
	found, extra := tally(nothing, discs)
	require.Zero(t, found+extra)
	everything := &infer.Segmentation{Width: goldenSide, Height: goldenSide, Labels: make([]int32, goldenSide*goldenSide), Confidence: []float64{1}}
	for i := range everything.Labels {
		everything.Labels[i] = 1
	}
	found, extra = tally(everything, discs)
	require.Equal(t, []int{0, 1}, []int{found, extra})
	right := &infer.Segmentation{Width: goldenSide, Height: goldenSide, Labels: make([]int32, goldenSide*goldenSide), Confidence: make([]float64, len(discs))}
	for i := range right.Labels {
		for k, d := range discs {
			if d.holds(i%goldenSide, i/goldenSide) {
				right.Labels[i] = int32(k + 1)
			}
		}
	}
	found, extra = tally(right, discs)
	require.Equal(t, []int{goldenDiscs, 0}, []int{found, extra})
}
