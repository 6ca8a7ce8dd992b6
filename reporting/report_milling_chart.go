package reporting

import (
	"fmt"
	"html/template"
	"math"
	"unicode/utf8"
)

// maxMillingPoints bounds what a chart over a run draws: longer runs keep the lowest and the highest value of each
// stretch of frames.
const maxMillingPoints = 600

// Colours of the two drifts; each has its dashes as well.
const xColour, yColour = curveColour, "#1f5f8b"

// chartPoint is a value along a run; NaN where it is not known.
type chartPoint struct{ x, y float64 }

// thin keeps at most most points: the lowest and the highest of each stretch, in their order. A stretch without any
// value stays a gap.
func thin(points []chartPoint, most int) []chartPoint {
	if len(points) <= most {
		return points
	}
	var out []chartPoint
	buckets := most / 2
	for k := range buckets {
		part := points[k*len(points)/buckets : (k+1)*len(points)/buckets]
		low, high := -1, -1
		for i, p := range part {
			if math.IsNaN(p.y) {
				continue
			}
			if low < 0 || p.y < part[low].y {
				low = i
			}
			if high < 0 || p.y > part[high].y {
				high = i
			}
		}
		switch {
		case low < 0:
			out = append(out, part[0])
		case low == high:
			out = append(out, part[low])
		default:
			out = append(out, part[min(low, high)], part[max(low, high)])
		}
	}
	return out
}

// runAxis is the horizontal axis of a run's charts: seconds since its first frame, or frame numbers where frames have
// no times that grow.
type runAxis struct {
	axis
	title  string
	ticks  []float64
	places []float64 // of the frames
}

func runAxisOf(frames []*MillingFrame) runAxis {
	a := runAxis{title: "Time since the first frame (s)", axis: axis{from: plotLeft, to: plotRight}}
	factor := 1.0
	span := frames[len(frames)-1].Time.Sub(frames[0].Time)
	if span.Minutes() > 10 {
		a.title, factor = "Time since the first frame (min)", 1.0/60
	}
	timed := span > 0
	for i, f := range frames {
		timed = timed && (i == 0 || !f.Time.Before(frames[i-1].Time))
		a.places = append(a.places, f.Time.Sub(frames[0].Time).Seconds()*factor)
	}
	if !timed {
		a.title = "Frame"
		for i, f := range frames {
			a.places[i] = float64(f.Seq)
		}
	}
	a.lo, a.hi = a.places[0], a.places[len(a.places)-1]
	if a.hi <= a.lo { // one frame, or as good as one
		a.lo, a.hi = a.lo-0.5, a.lo+0.5
	}
	if timed {
		a.ticks = a.axis.ticks(9)
	} else {
		a.ticks = wholeTicks(int(math.Ceil(a.lo)), int(a.hi))
	}
	return a
}

// points are a value of every frame along the axis.
func (a *runAxis) points(frames []*MillingFrame, value func(*MillingFrame) *float64, factor float64) []chartPoint {
	out := make([]chartPoint, len(frames))
	for i, f := range frames {
		out[i] = chartPoint{a.places[i], math.NaN()}
		if v := value(f); v != nil {
			out[i].y = *v * factor
		}
	}
	return thin(out, maxMillingPoints)
}

// series draws points as a line that breaks where a value is not known; one between two gaps is a dot.
func (s *svg) series(x, y axis, points []chartPoint, colour, dash string) {
	for i := 0; i < len(points); {
		j := i
		for j < len(points) && !math.IsNaN(points[j].y) {
			j++
		}
		switch j - i {
		case 0:
			i++
			continue
		case 1:
			s.rect(x.at(points[i].x)-1.2, y.at(points[i].y)-1.2, 2.4, 2.4, colour)
		default:
			s.polyline(x, y, points[i:j], colour, dash)
		}
		i = j
	}
}

func (s *svg) polyline(x, y axis, points []chartPoint, colour, dash string) {
	fmt.Fprintf(&s.b, `<polyline fill="none" stroke="%s" stroke-width="2" stroke-linejoin="round"`, colour)
	if dash != "" {
		fmt.Fprintf(&s.b, ` stroke-dasharray="%s"`, dash)
	}
	s.b.WriteString(` points="`)
	for _, p := range points {
		fmt.Fprintf(&s.b, "%.1f,%.1f ", x.at(p.x), y.at(p.y))
	}
	s.b.WriteString(`"/>`)
}

// span is the least and the greatest of values that are known; ok is false without one.
func span(lists ...[]chartPoint) (low, high float64, ok bool) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, list := range lists {
		for _, p := range list {
			if !math.IsNaN(p.y) {
				low, high, ok = min(low, p.y), max(high, p.y), true
			}
		}
	}
	return low, high, ok
}

// rounded is an axis of round numbers around low and high.
func rounded(low, high float64) axis {
	if high-low < 1e-9 {
		low, high = low-0.5, high+0.5
	}
	step := niceStep((high - low) / 6)
	return axis{lo: step * math.Floor(low/step+1e-9), hi: step * math.Ceil(high/step-1e-9), from: plotBottom, to: plotTop}
}

// progressChart draws the progress of a run with its threshold and the frame at which the end-point was told. It
// returns "" where no frame shows any.
func progressChart(frames []*MillingFrame, sum *millingSummary) template.HTML {
	x := runAxisOf(frames)
	points := x.points(frames, func(f *MillingFrame) *float64 { return f.Progress }, 100)
	limits := x.points(frames, func(f *MillingFrame) *float64 { return f.Threshold }, 100)
	_, high, ok := span(points, limits)
	low, _, _ := span(points)
	if !ok || math.IsInf(low, 0) {
		return ""
	}
	y := rounded(min(low, 0), high*1.04)
	s := newSVG("Progress of milling over the run")
	s.frame(x.axis, y, x.ticks, x.title, "Progress (%)")
	s.series(x.axis, y, limits, markColour, "7 4")
	if _, top, ok := span(limits); ok {
		s.text(plotLeft+6, y.at(top)-6, "start", markColour, "threshold "+significant(top, 3)+" %")
	}
	s.series(x.axis, y, points, curveColour, "")
	s.endpoint(x, frames, sum)
	return s.done()
}

// endpoint marks where the end-point was told.
func (s *svg) endpoint(x runAxis, frames []*MillingFrame, sum *millingSummary) {
	if !sum.EndpointReached {
		return
	}
	for i, f := range frames {
		if !f.Detected {
			continue
		}
		at, anchor := x.at(x.places[i]), "middle"
		s.line(at, plotTop-6, at, plotBottom, inkColour, 1.4, "2 3")
		if at > plotRight-70 {
			at, anchor = plotRight, "end"
		} else if at < plotLeft+70 {
			at, anchor = plotLeft, "start"
		}
		s.text(at, plotTop-12, anchor, inkColour, "end-point, frame "+count(int(f.Seq)))
		return
	}
}

// driftChart draws the drift of a run, in nm where every frame has a pixel size. It returns "" where none is known.
func driftChart(frames []*MillingFrame) template.HTML {
	unit, factor := lengthUnit{"px", 1}, func(*MillingFrame) float64 { return 1 }
	if scaled, typical := driftScale(frames); scaled {
		unit = chooseUnit("nm", &typical)
		factor = func(f *MillingFrame) float64 { return *f.NmPerPx * unit.factor }
	}
	of := func(v func(*MillingFrame) *float64) func(*MillingFrame) *float64 {
		return func(f *MillingFrame) *float64 {
			if v(f) == nil {
				return nil
			}
			return times(v(f), factor(f))
		}
	}
	x := runAxisOf(frames)
	dx := x.points(frames, of(func(f *MillingFrame) *float64 { return f.DriftX }), 1)
	dy := x.points(frames, of(func(f *MillingFrame) *float64 { return f.DriftY }), 1)
	low, high, ok := span(dx, dy)
	if !ok {
		return ""
	}
	y := rounded(min(low, 0), max(high, 0))
	s := newSVG("Drift of the field over the run")
	s.frame(x.axis, y, x.ticks, x.title, "Drift ("+unit.name+")")
	s.line(plotLeft, y.at(0), plotRight, y.at(0), markColour, 1, "")
	s.series(x.axis, y, dx, xColour, "")
	s.series(x.axis, y, dy, yColour, "6 3")
	at := plotRight
	for _, l := range []struct{ name, colour, dash string }{{"y, down", yColour, "6 3"}, {"x, right", xColour, ""}} {
		s.text(at, plotTop-12, "end", l.colour, l.name)
		at -= 8 + 6.6*float64(utf8.RuneCountInString(l.name))
		s.line(at-26, plotTop-16, at, plotTop-16, l.colour, 2.2, l.dash)
		at -= 40
	}
	return s.done()
}

// driftScale reports whether every frame whose drift is known has a pixel size, and what to choose a unit for, nm: some
// more than the largest drift, so that labels stay short.
func driftScale(frames []*MillingFrame) (scaled bool, typical float64) {
	for _, f := range frames {
		if f.DriftX == nil {
			continue
		}
		if f.NmPerPx == nil {
			return false, 0
		}
		typical = max(typical, 2.5*math.Hypot(*f.DriftX, *f.DriftY)**f.NmPerPx)
	}
	return true, typical
}
