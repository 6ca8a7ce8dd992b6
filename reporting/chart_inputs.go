package reporting

import (
	"html/template"
	"math"
	"strconv"
)

// inputPoint is one input in the chart over the run: its number in the tables and its percentiles, in the
// chart's unit.
type inputPoint struct {
	number        int
	p10, p50, p90 float64
}

// inputsChart draws D50 of every input, with a bar from D10 to D90, in the order of the run. It returns ""
// for fewer than two inputs.
func inputsChart(points []inputPoint, unit lengthUnit) template.HTML {
	if len(points) < 2 {
		return ""
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range points {
		low, high = min(low, p.p10), max(high, p.p90)
	}
	y := axis{from: plotBottom, to: plotTop}
	if low > 0 && high/low > 20 {
		y.lo, y.hi, y.log = low*0.9, high*1.1, true
	} else {
		step := niceStep(high * 1.02 / 5)
		y.hi = step * math.Ceil(high*1.02/step)
	}
	first, last := points[0].number, points[len(points)-1].number
	x := axis{lo: float64(first) - 0.5, hi: float64(last) + 0.5, from: plotLeft, to: plotRight}
	s := newSVG("Diameters of every input of the run")
	s.frame(x, y, wholeTicks(first, last), "Input (number in table 2)", "Diameter ("+unit.name+")")
	slot := (plotRight - plotLeft) / float64(last-first+1)
	width, radius := min(14, max(1, slot*0.5)), min(4, max(1.2, slot*0.3))
	for _, p := range points {
		at := x.at(float64(p.number))
		s.rect(at-width/2, y.at(p.p90), width, max(1, y.at(p.p10)-y.at(p.p90)), barColour)
		s.dot(at, y.at(p.p50), radius)
	}
	return s.done()
}

func (s *svg) dot(x, y, r float64) {
	s.b.WriteString(`<circle cx="` + strconv.FormatFloat(x, 'f', 1, 64) + `" cy="` + strconv.FormatFloat(y, 'f', 1, 64) +
		`" r="` + strconv.FormatFloat(r, 'f', 1, 64) + `" fill="` + curveColour + `"/>`)
}

// wholeTicks labels at most about twelve of the numbers first..last.
func wholeTicks(first, last int) []float64 {
	step := max(1, int(niceStep(float64(last-first+1)/12)))
	var out []float64
	for n := (first + step - 1) / step * step; n <= last; n += step {
		out = append(out, float64(n))
	}
	return out
}
