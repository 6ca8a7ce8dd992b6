package reporting

import "math"

// axis maps values to px along one side of a chart.
type axis struct {
	lo, hi   float64 // values at the two ends
	from, to float64 // px at the two ends
	log      bool
}

func (a axis) at(v float64) float64 {
	if a.log {
		return a.from + (a.to-a.from)*math.Log(v/a.lo)/math.Log(a.hi/a.lo)
	}
	return a.from + (a.to-a.from)*(v-a.lo)/(a.hi-a.lo)
}

// ticks returns the values to label, round ones, about want of them.
func (a axis) ticks(want int) []float64 {
	if a.log {
		return logTicks(a.lo, a.hi, want)
	}
	step := niceStep((a.hi - a.lo) / float64(max(1, want)))
	var out []float64
	for i := int(math.Ceil(a.lo/step - 1e-9)); float64(i)*step <= a.hi+step*1e-9; i++ {
		out = append(out, float64(i)*step)
	}
	return out
}

// niceStep rounds up to 1, 2 or 5 times a power of ten.
func niceStep(raw float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= raw*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// logTicks returns 1, 2, 5 times the powers of ten between lo and hi; where those are too many, the powers
// alone; where they are too few, every digit.
func logTicks(lo, hi float64, want int) []float64 {
	var best []float64
	for _, digits := range [][]float64{{1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 2, 3, 5, 7}, {1, 2, 5}, {1}} {
		best = best[:0]
		for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
			for _, d := range digits {
				if v := d * math.Pow(10, e); v >= lo*(1-1e-9) && v <= hi*(1+1e-9) {
					best = append(best, v)
				}
			}
		}
		if len(best) <= want+2 {
			break
		}
	}
	return best
}
