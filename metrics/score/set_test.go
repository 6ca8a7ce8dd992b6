package score

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMeansCountImagesAlike(t *testing.T) {
	perfect := match(t, picture("11.2"), picture("11.2")).Score()
	half := match(t, picture("11.22.33.44."), picture("11.22.....5.")).Score() // 2 TP, 1 FP, 2 FN
	lost := match(t, picture("11.2"), picture("....")).Score()
	empty := match(t, picture("...."), picture("1..2")).Score()
	all := Summarise([]Image{perfect, half, lost, empty})
	s := &all.All
	require.Equal(t, []int{4, 1, 2}, []int{s.Images, s.Empty, s.EmptyFound})
	require.InDelta(t, (1+0.4+0)/3, *s.AP50(), 1e-12)
	require.InDelta(t, (1+2/3.5+0)/3, *s.PQ, 1e-12)
	require.InDelta(t, 1.0, *s.SQ, 1e-12)
	require.InDelta(t, (1+2.0/3+0)/3, *s.Precision, 1e-12, "the image without found objects has none")
	require.Equal(t, 2, s.D50.Images, "images where nothing was found have no diameter")
}

func TestImagesAreDenseFromAHundredObjects(t *testing.T) {
	scores := make([]Image, 3)
	for i, n := range []int{99, 100, 500} {
		labels := make([]int32, 2*n)
		for k := range n {
			labels[2*k] = int32(k + 1)
		}
		scores[i] = match(t, labels, labels).Score()
	}
	s := Summarise(scores)
	require.Equal(t, 1, s.Sparse.Images)
	require.Equal(t, 2, s.Dense.Images)
	require.Equal(t, 699, s.All.TP)
	s = Summarise(scores[:1])
	require.Nil(t, s.Dense.AP50())
}

func TestReliabilityOfKnownOutcomes(t *testing.T) {
	var r Reliability
	require.Nil(t, r.Curve())
	for range 8 {
		r.Add(0.85, true)
	}
	for range 2 {
		r.Add(0.85, false)
	}
	r.Add(1, true)
	r.Add(0.2, true)
	r.Add(-1, true)
	r.Add(2, true)
	c := r.Curve()
	require.Equal(t, 12, c.Objects)
	require.Len(t, c.Bins, 10)
	require.Equal(t, 10, c.Bins[8].Objects)
	require.InDelta(t, 0.8, *c.Bins[8].Right, 1e-12)
	require.Equal(t, 1, c.Bins[9].Objects, "1 belongs to the last bin")
	require.Equal(t, 1, c.Bins[2].Objects)
	require.InDelta(t, (10*0.05+1*0+1*0.8)/12, c.ECE, 1e-12)
	require.InDelta(t, (8*0.15*0.15+2*0.85*0.85+0.8*0.8)/12, c.Brier, 1e-12)
	require.InDelta(t, 10.0/12, c.Right, 1e-12)
}

func TestReliabilityTakesConfidenceByLabel(t *testing.T) {
	var r Reliability
	r.AddMatching(match(t, picture("1122...."), picture("11...333")), []float64{0.9, 0.5, 0.3})
	c := r.Curve()
	require.Equal(t, 2, c.Objects)
	require.InDelta(t, 1.0, *c.Bins[9].Right, 0)
	require.InDelta(t, 0.0, *c.Bins[3].Right, 0)
}
