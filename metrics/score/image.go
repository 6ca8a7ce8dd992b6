package score

import (
	"math"

	"github.com/uni-aims/aimsd/metrics"
)

// Thresholds returns the IoU thresholds of AP: 0.50, 0.55, ... 0.95.
func Thresholds() []float64 {
	out := make([]float64, thresholds)
	for i := range out {
		out[i] = float64(firstTwentieth+i) / 20
	}
	return out
}

const (
	thresholds     = 10
	firstTwentieth = 10 // thresholds are counted in twentieths
)

// Dense is the number of true objects from which on an image counts as dense.
const Dense = 100

// Image is how well the objects of one image were found. Pointers are nil where a value is undefined.
type Image struct {
	Truth int `json:"truth_objects"`
	Found int `json:"found_objects"`
	TP    int `json:"tp"` // matched at IoU above 0.5
	FP    int `json:"fp"`
	FN    int `json:"fn"`

	AP        []float64 `json:"ap"`      // TP/(TP+FP+FN) at each of Thresholds; nil when the truth is empty
	APMean    *float64  `json:"ap_mean"` // of AP
	PQ        *float64  `json:"pq"`      // sum of IoU/(TP + FP/2 + FN/2) (Kirillov et al. 2019), = SQ RQ
	SQ        *float64  `json:"sq"`      // mean IoU of the matches
	RQ        *float64  `json:"rq"`      // TP/(TP + FP/2 + FN/2), the F1 score
	Precision *float64  `json:"precision"`
	Recall    *float64  `json:"recall"`

	Missed      int `json:"missed"`       // true objects without any account
	False       int `json:"false"`        // found objects without any account
	Split       int `json:"split"`        // true objects found in pieces
	Mergers     int `json:"mergers"`      // found objects that swallow several true ones
	MergedTruth int `json:"merged_truth"` // true objects swallowed so

	D10 Diameter `json:"d10"`
	D50 Diameter `json:"d50"`
	D90 Diameter `json:"d90"`
}

// Diameter is a percentile of the equivalent circular diameter, by number, over all objects of the image, those
// at its border included and unweighted.
type Diameter struct {
	TruthPx      *float64 `json:"truth_px"`
	FoundPx      *float64 `json:"found_px"`
	ErrorPercent *float64 `json:"error_percent"` // 100 (found - truth)/truth, with its sign
}

// Empty reports that the truth has no objects: then AP and PQ are undefined, and the false objects count.
func (s *Image) Empty() bool { return s.Truth == 0 }

// AP50 is AP at IoU 0.5, nil when the truth is empty.
func (s *Image) AP50() *float64 {
	if len(s.AP) == 0 {
		return nil
	}
	return &s.AP[0]
}

// Score sums a comparison up.
func (m *Matching) Score() Image {
	s := Image{Truth: len(m.Truth), Found: len(m.Found)}
	sumIoU := 0.0
	for i := range m.Truth {
		switch o := &m.Truth[i]; o.Fate {
		case Matched:
			s.TP++
			sumIoU += o.IoU
		case Lost:
			s.Missed++
		case Split:
			s.Split++
		case Merged:
			s.MergedTruth++
		}
	}
	for i := range m.Found {
		switch m.Found[i].Fate {
		case Lost:
			s.False++
		case Merged:
			s.Mergers++
		case Matched, Split:
		}
	}
	s.FP, s.FN = s.Found-s.TP, s.Truth-s.TP
	s.ratios(sumIoU)
	if !s.Empty() {
		s.AP = m.averagePrecision()
		s.APMean = mean(s.AP)
	}
	truth, found := diameters(m.Truth), diameters(m.Found)
	s.D10, s.D50, s.D90 = diameterAt(truth, found, 0.1), diameterAt(truth, found, 0.5), diameterAt(truth, found, 0.9)
	return s
}

func (s *Image) ratios(sumIoU float64) {
	s.Precision, s.Recall = ratio(float64(s.TP), float64(s.Found)), ratio(float64(s.TP), float64(s.Truth))
	s.SQ = ratio(sumIoU, float64(s.TP))
	if s.Empty() {
		return
	}
	half := float64(s.TP) + float64(s.FP+s.FN)/2
	s.RQ, s.PQ = ratio(float64(s.TP), half), ratio(sumIoU, half)
}

// averagePrecision counts the matches above each threshold, in whole numbers: 20 px > k union.
func (m *Matching) averagePrecision() []float64 {
	var tp [thresholds]int
	for _, o := range m.overlaps {
		union := m.Truth[o.truth].AreaPx + m.Found[o.found].AreaPx - o.px
		for k := 0; k < thresholds && 20*o.px > (firstTwentieth+k)*union; k++ {
			tp[k]++
		}
	}
	out := make([]float64, thresholds)
	for k, n := range tp {
		out[k] = float64(n) / float64(len(m.Truth)+len(m.Found)-n)
	}
	return out
}

func diameters(objects []Object) []float64 {
	d := make([]float64, len(objects))
	for i := range objects {
		d[i] = math.Sqrt(4 * float64(objects[i].AreaPx) / math.Pi)
	}
	return d
}

func diameterAt(truth, found []float64, p float64) Diameter {
	d := Diameter{TruthPx: quantile(truth, p), FoundPx: quantile(found, p)}
	if d.TruthPx != nil && d.FoundPx != nil {
		d.ErrorPercent = ratio(100*(*d.FoundPx-*d.TruthPx), *d.TruthPx)
	}
	return d
}

// quantile follows Hazen; nil without values.
func quantile(x []float64, p float64) *float64 {
	q, _ := metrics.QuantileHazen(x, nil, p)
	if math.IsNaN(q) {
		return nil
	}
	return &q
}

// ratio is a/b, nil where b is 0.
func ratio(a, b float64) *float64 {
	if b == 0 {
		return nil
	}
	q := a / b
	return &q
}

// mean of values, nil without any.
func mean(x []float64) *float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return ratio(sum, float64(len(x)))
}
