package score

import "math"

// Set is how well the objects of several images were found: means over the images, each counting the same.
// Images whose truth is empty are left out of AP, PQ, SQ, RQ and recall; Empty and EmptyFound tell of them.
type Set struct {
	Images     int `json:"images"`
	Empty      int `json:"empty_images"`        // images whose truth is empty
	EmptyFound int `json:"empty_found_objects"` // objects found in them

	Truth   int `json:"truth_objects"` // these are sums over the images
	Found   int `json:"found_objects"`
	TP      int `json:"tp"`
	FP      int `json:"fp"`
	FN      int `json:"fn"`
	Missed  int `json:"missed"`
	False   int `json:"false"`
	Split   int `json:"split"`
	Mergers int `json:"mergers"`

	AP        []float64 `json:"ap"` // at each of Thresholds; nil without images
	APMean    *float64  `json:"ap_mean"`
	PQ        *float64  `json:"pq"`
	SQ        *float64  `json:"sq"`
	RQ        *float64  `json:"rq"`
	Precision *float64  `json:"precision"`
	Recall    *float64  `json:"recall"`

	D10 DiameterError `json:"d10"`
	D50 DiameterError `json:"d50"`
	D90 DiameterError `json:"d90"`
}

// DiameterError is how far a percentile of the diameter is off, in percent of the truth, over the images where
// anything was found.
type DiameterError struct {
	Images        int      `json:"images"`
	MedianPercent *float64 `json:"median_percent"` // median of the error without its sign
	BiasPercent   *float64 `json:"bias_percent"`   // median of the error with its sign
}

// Summary is a set with its two parts.
type Summary struct {
	All    Set `json:"all"`
	Sparse Set `json:"sparse"` // fewer than Dense true objects
	Dense  Set `json:"dense"`
}

// Summarise pools the scores of images.
func Summarise(images []Image) Summary {
	var sparse, dense []Image
	for i := range images {
		if images[i].Truth < Dense {
			sparse = append(sparse, images[i])
		} else {
			dense = append(dense, images[i])
		}
	}
	return Summary{All: setOf(images), Sparse: setOf(sparse), Dense: setOf(dense)}
}

func setOf(images []Image) Set {
	s := Set{Images: len(images)}
	var apMean, pq, sq, rq, precision, recall []float64
	var d [3][]float64
	ap := make([][]float64, thresholds)
	add := func(to *[]float64, v *float64) {
		if v != nil {
			*to = append(*to, *v)
		}
	}
	for i := range images {
		m := &images[i]
		s.Truth, s.Found, s.TP, s.FP, s.FN = s.Truth+m.Truth, s.Found+m.Found, s.TP+m.TP, s.FP+m.FP, s.FN+m.FN
		s.Missed, s.False, s.Split, s.Mergers = s.Missed+m.Missed, s.False+m.False, s.Split+m.Split, s.Mergers+m.Mergers
		if m.Empty() {
			s.Empty++
			s.EmptyFound += m.Found
		}
		for k, v := range m.AP {
			ap[k] = append(ap[k], v)
		}
		add(&apMean, m.APMean)
		add(&pq, m.PQ)
		add(&sq, m.SQ)
		add(&rq, m.RQ)
		add(&precision, m.Precision)
		add(&recall, m.Recall)
		for k, v := range []*float64{m.D10.ErrorPercent, m.D50.ErrorPercent, m.D90.ErrorPercent} {
			add(&d[k], v)
		}
	}
	if len(apMean) > 0 {
		s.AP = make([]float64, thresholds)
		for k := range ap {
			s.AP[k] = *mean(ap[k])
		}
	}
	s.APMean, s.PQ, s.SQ, s.RQ = mean(apMean), mean(pq), mean(sq), mean(rq)
	s.Precision, s.Recall = mean(precision), mean(recall)
	s.D10, s.D50, s.D90 = diameterError(d[0]), diameterError(d[1]), diameterError(d[2])
	return s
}

func diameterError(percent []float64) DiameterError {
	size := make([]float64, len(percent))
	for i, v := range percent {
		size[i] = math.Abs(v)
	}
	return DiameterError{Images: len(percent), MedianPercent: quantile(size, 0.5), BiasPercent: quantile(percent, 0.5)}
}

// AP50 is the mean AP at IoU 0.5, nil without images.
func (s *Set) AP50() *float64 {
	if len(s.AP) == 0 {
		return nil
	}
	return &s.AP[0]
}
