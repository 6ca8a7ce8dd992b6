package infer

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/cuda"
	"github.com/uni-aims/aimsd/infer/models"
)

// byHand is a scorer whose object score is the logistic of twice the first feature's deviations.
func byHand() *Scorer {
	n := len(FeatureNames())
	s := &Scorer{Features: FeatureNames(), Mean: make([]float32, n), Deviation: make([]float32, n), Calibration: []float64{1, 0}}
	w := [][]float32{make([]float32, n), make([]float32, n)}
	w[0][0] = 2
	for i := range s.Deviation {
		s.Deviation[i] = 1
	}
	s.Nets = [][]Dense{{{Weights: w, Bias: []float32{0, -1}}}}
	return s
}

func TestAScorerIsTheMeanOfItsNets(t *testing.T) {
	p := pool(64, 64, map[float64]*cuda.Segments{1: painted(64, 64, [4]int{4, 4, 12, 12})})
	p.Features[0] = 0.5
	s := byHand()
	got := s.Scores(p)
	require.Len(t, got, 1)
	require.InDelta(t, 1/(1+math.Exp(-1)), got[0].Object, 1e-6)
	require.InDelta(t, 1/(1+math.Exp(1)), got[0].Outline, 1e-6)
	other := byHand()
	other.Nets[0][0].Bias[0] = -100
	s.Nets = append(s.Nets, other.Nets[0])
	require.InDelta(t, 0.5/(1+math.Exp(-1)), s.Scores(p)[0].Object, 1e-6)
	p.Features[0] = 1e9
	require.InDelta(t, 1/(1+math.Exp(-16)), byHand().Scores(p)[0].Object, 1e-6, "features are clipped at 8 deviations")
}

func TestConfidenceFollowsTheCalibration(t *testing.T) {
	s := byHand()
	require.InDelta(t, 0.7, s.Confidence(0.7), 1e-9)
	s.Calibration = []float64{0.5, 0}
	require.InDelta(t, 0.5, s.Confidence(0.5), 1e-9)
	require.Less(t, s.Confidence(0.9), 0.9)
	require.Less(t, s.Confidence(1), 1.0)
}

func TestAScorerThatDoesNotFitIsRefused(t *testing.T) {
	good, err := json.Marshal(byHand())
	require.NoError(t, err)
	_, err = ReadScorer(good)
	require.NoError(t, err)
	for name, spoil := range map[string]func(*Scorer){
		"other features": func(s *Scorer) { s.Features[3] = "weather" },
		"no nets":        func(s *Scorer) { s.Nets = nil },
		"short mean":     func(s *Scorer) { s.Mean = s.Mean[1:] },
		"a row too long": func(s *Scorer) { s.Nets[0][0].Weights[1] = append(s.Nets[0][0].Weights[1], 1) },
		"one output":     func(s *Scorer) { s.Nets[0][0].Weights, s.Nets[0][0].Bias = s.Nets[0][0].Weights[:1], []float32{0} },
		"zero deviation": func(s *Scorer) { s.Deviation[2] = 0 },
	} {
		s := byHand()
		spoil(s)
		data, err := json.Marshal(s)
		require.NoError(t, err)
		_, err = ReadScorer(data)
		require.ErrorContains(t, err, "scorer.py", name)
	}
	_, err = ReadScorer([]byte("{"))
	require.Error(t, err)
}

func TestTheShippedScorerFitsThisBuild(t *testing.T) {
	m, err := models.Load(models.DefaultName)
	require.NoError(t, err)
	_, err = ReadScorer(m.Scorer)
	require.NoError(t, err)
}
