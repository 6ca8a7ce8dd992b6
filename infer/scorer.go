package infer

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// Scorer says how likely a candidate is an object: a small network over its features, trained with
// infer/training/scorer.py on the candidates of labelled images.
type Scorer struct {
	Features    []string     `json:"features"`
	Mean        []float32    `json:"mean"`      // of each feature over the training candidates
	Deviation   []float32    `json:"deviation"` // likewise
	Nets        [][]Dense    `json:"nets"`      // their outputs are averaged
	Choice      ChoiceParams `json:"choice"`
	Calibration []float64    `json:"calibration"` // slope and offset of the logit that is reported as confidence
}

// Dense is a fully connected layer; all but the last are followed by a ReLU.
type Dense struct {
	Weights [][]float32 `json:"weights"` // [outputs][inputs]
	Bias    []float32   `json:"bias"`
}

// ChoiceParams turn scores into a result.
type ChoiceParams struct {
	MinScore float64 `json:"min_score"` // a candidate below is not reported
	Worth    float64 `json:"worth"`     // what a good outline adds to the worth of a candidate
	MinFree  float64 `json:"min_free"`  // share of a candidate that better ones must have left free
}

// Score is a scorer's answer for one candidate.
type Score struct {
	Object  float64 // probability that it is an object (intersection over union above 0.5 with one)
	Outline float64 // probability that its outline is good (above 0.75)
}

// featureClip bounds standardised features, as in training.
const featureClip = 8

// maxScorerUnits bounds a layer of a scorer.
const maxScorerUnits = 4096

// ReadScorer reads a scorer's JSON and checks that it fits this build.
func ReadScorer(data []byte) (*Scorer, error) {
	s := &Scorer{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("scorer: %w; make it with infer/training/scorer.py", err)
	}
	if !slices.Equal(s.Features, FeatureNames()) {
		return nil, fmt.Errorf("scorer: it was made for other features than this build's; make it again with infer/training/scorer.py")
	}
	n := len(s.Features)
	if len(s.Mean) != n || len(s.Deviation) != n || len(s.Nets) == 0 || len(s.Calibration) != 2 {
		return nil, fmt.Errorf("scorer: mean, deviation, nets or calibration are incomplete; make it again with infer/training/scorer.py")
	}
	if slices.ContainsFunc(s.Deviation, func(v float32) bool { return !(v > 0) }) {
		return nil, fmt.Errorf("scorer: a deviation is not positive; make it again with infer/training/scorer.py")
	}
	for _, net := range s.Nets {
		inputs := n
		for _, d := range net {
			if len(d.Weights) == 0 || len(d.Weights) > maxScorerUnits || len(d.Bias) != len(d.Weights) ||
				slices.ContainsFunc(d.Weights, func(w []float32) bool { return len(w) != inputs }) {
				return nil, fmt.Errorf("scorer: a layer does not fit the one before; make it again with infer/training/scorer.py")
			}
			inputs = len(d.Weights)
		}
		if inputs != 2 {
			return nil, fmt.Errorf("scorer: its nets have %d outputs, 2 are wanted (object, outline); make it again with infer/training/scorer.py", inputs)
		}
	}
	return s, nil
}

// Scores returns the score of every candidate of a pool.
func (s *Scorer) Scores(p *Pool) []Score {
	out := make([]Score, p.Len())
	n := len(s.Features)
	bands(p.Len(), func(from, to int) {
		x := make([]float32, n)
		var a, b []float32
		for i := from; i < to; i++ {
			for k, v := range p.Features[i*n : (i+1)*n] {
				x[k] = min(max((v-s.Mean[k])/s.Deviation[k], -featureClip), featureClip)
			}
			var object, outline float64
			for _, net := range s.Nets {
				a = append(a[:0], x...)
				for k, d := range net {
					b = d.apply(a, b[:0], k+1 < len(net))
					a, b = b, a
				}
				object += logistic(float64(a[0]))
				outline += logistic(float64(a[1]))
			}
			out[i] = Score{object / float64(len(s.Nets)), outline / float64(len(s.Nets))}
		}
	})
	return out
}

// apply appends the layer's outputs to out. Four sums at a time, because one would wait for itself.
func (d *Dense) apply(in, out []float32, relu bool) []float32 {
	for k, w := range d.Weights {
		w = w[:len(in)]
		var a, b, c, e float32
		i := 0
		for ; i+3 < len(in); i += 4 {
			a += w[i] * in[i]
			b += w[i+1] * in[i+1]
			c += w[i+2] * in[i+2]
			e += w[i+3] * in[i+3]
		}
		for ; i < len(in); i++ {
			a += w[i] * in[i]
		}
		v := d.Bias[k] + ((a + b) + (c + e))
		if relu {
			v = max(v, 0)
		}
		out = append(out, v)
	}
	return out
}

// Confidence is the calibrated probability of a chosen candidate.
func (s *Scorer) Confidence(score float64) float64 {
	score = min(max(score, 1e-6), 1-1e-6)
	return logistic(s.Calibration[0]*math.Log(score/(1-score)) + s.Calibration[1])
}

func logistic(v float64) float64 { return 1 / (1 + math.Exp(-v)) }
