package score

import "math"

// Reliability compares the confidence of found objects with how often they are true, in equally wide bins of the
// confidence (Guo et al. 2017). The zero value is ready to Add to.
type Reliability struct {
	bins    [reliabilityBins]sums
	squares float64
}

type sums struct {
	objects, right int
	confidence     float64
}

const reliabilityBins = 10

// Add counts one found object. Values that are no probability are ignored.
func (r *Reliability) Add(confidence float64, right bool) {
	if !(confidence >= 0 && confidence <= 1) {
		return
	}
	b := &r.bins[min(int(confidence*reliabilityBins), reliabilityBins-1)]
	b.objects++
	b.confidence += confidence
	outcome := 0.0
	if right {
		b.right++
		outcome = 1
	}
	r.squares += (confidence - outcome) * (confidence - outcome)
}

// AddMatching counts the found objects of a comparison; confidence gives that of label i+1.
func (r *Reliability) AddMatching(m *Matching, confidence []float64) {
	for i := range m.Found {
		if o := &m.Found[i]; int(o.Label) <= len(confidence) {
			r.Add(confidence[o.Label-1], o.Fate == Matched)
		}
	}
}

// Curve is a reliability curve.
type Curve struct {
	Objects    int     `json:"objects"`
	Confidence float64 `json:"confidence"` // mean
	Right      float64 `json:"right"`      // share of the objects that are true: the precision of all together
	ECE        float64 `json:"ece"`        // expected calibration error: mean |confidence - right| of the bins, by objects
	Brier      float64 `json:"brier"`      // mean squared difference of confidence and outcome
	Bins       []Bin   `json:"bins"`
}

// Bin is one bin of a reliability curve.
type Bin struct {
	From       float64  `json:"from"`
	To         float64  `json:"to"` // the last bin includes it
	Objects    int      `json:"objects"`
	Confidence *float64 `json:"confidence"` // mean; nil when empty
	Right      *float64 `json:"right"`      // share that is true
}

// Curve returns the curve, nil without objects.
func (r *Reliability) Curve() *Curve {
	c := &Curve{}
	right := 0
	for i, b := range r.bins {
		c.Objects += b.objects
		c.Confidence += b.confidence
		right += b.right
		c.ECE += math.Abs(b.confidence - float64(b.right))
		c.Bins = append(c.Bins, Bin{
			From: float64(i) / reliabilityBins, To: float64(i+1) / reliabilityBins, Objects: b.objects,
			Confidence: ratio(b.confidence, float64(b.objects)), Right: ratio(float64(b.right), float64(b.objects)),
		})
	}
	if c.Objects == 0 {
		return nil
	}
	n := float64(c.Objects)
	c.Confidence, c.Right, c.ECE, c.Brier = c.Confidence/n, float64(right)/n, c.ECE/n, r.squares/n
	return c
}
