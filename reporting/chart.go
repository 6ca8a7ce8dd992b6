package reporting

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"

	"github.com/uni-aims/aimsd/metrics"
)

// Size of a chart's drawing, in its own px; the page scales it.
const (
	chartW, chartH                                   = 760.0, 330.0
	marginLeft, marginRight, marginTop, marginBottom = 62.0, 62.0, 34.0, 52.0
	inkColour, gridColour, barColour, curveColour    = "#1c2733", "#e3e8ee", "#7fb0d8", "#b8460b"
	markColour                                       = "#5a6775"
	plotLeft, plotRight, plotTop, plotBottom         = marginLeft, chartW - marginRight, marginTop, chartH - marginBottom
)

// svg collects a chart's elements. Texts are escaped; everything else is numbers and constants.
type svg struct{ b strings.Builder }

func newSVG(title string) *svg { return newSVGOf(title, chartH) }

// newSVGOf begins a chart of another height.
func newSVGOf(title string, height float64) *svg {
	s := &svg{}
	fmt.Fprintf(&s.b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, chartW, height, html.EscapeString(title))
	return s
}

func (s *svg) done() template.HTML {
	return template.HTML(s.b.String() + "</svg>")
}

func (s *svg) line(x1, y1, x2, y2 float64, colour string, width float64, dash string) {
	fmt.Fprintf(&s.b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%g"`, x1, y1, x2, y2, colour, width)
	if dash != "" {
		fmt.Fprintf(&s.b, ` stroke-dasharray="%s"`, dash)
	}
	s.b.WriteString("/>")
}

func (s *svg) rect(x, y, w, h float64, fill string) {
	fmt.Fprintf(&s.b, `<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill="%s"/>`, x, y, w, h, fill)
}

// text writes at (x, y); anchor is start, middle or end.
func (s *svg) text(x, y float64, anchor, colour, text string) {
	fmt.Fprintf(&s.b, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s">%s</text>`, x, y, anchor, colour, html.EscapeString(text))
}

// sideways writes along the vertical axis whose titles are centred on (x, y).
func (s *svg) sideways(x, y float64, colour, text string) {
	fmt.Fprintf(&s.b, `<text transform="translate(%.1f %.1f) rotate(-90)" text-anchor="middle" fill="%s">%s</text>`,
		x, y, colour, html.EscapeString(text))
}

// frame draws the grid and labels of the left and the bottom axis.
func (s *svg) frame(x, y axis, xTicks []float64, xTitle, yTitle string) {
	for _, v := range y.ticks(5) {
		s.line(plotLeft, y.at(v), plotRight, y.at(v), gridColour, 1, "")
		s.text(plotLeft-8, y.at(v)+4, "end", inkColour, tickText(v))
	}
	s.line(plotLeft, plotBottom, plotRight, plotBottom, inkColour, 1.2, "")
	for _, v := range xTicks {
		s.line(x.at(v), plotBottom, x.at(v), plotBottom+5, inkColour, 1.2, "")
		s.text(x.at(v), plotBottom+19, "middle", inkColour, tickText(v))
	}
	s.text((plotLeft+plotRight)/2, chartH-10, "middle", inkColour, xTitle)
	s.sideways(16, (plotTop+plotBottom)/2, inkColour, yTitle)
}

func tickText(v float64) string {
	text := fmt.Sprintf("%.6g", v)
	if math.Abs(v) >= 1e4 && !strings.Contains(text, "e") {
		return grouped(text)
	}
	return text
}

// histogramChart draws the number-weighted distribution of diameters: a column per class and the cumulative
// curve, with D10, D50 and D90 marked. It returns "" when there is nothing to draw.
func histogramChart(d sample, stat metrics.Stat, unit lengthUnit) template.HTML {
	c := classify(d, unit.factor)
	if c == nil {
		return ""
	}
	s := newSVG("Distribution of the equivalent circular diameter")
	x := axis{lo: c.edges[0], hi: c.edges[len(c.edges)-1], from: plotLeft, to: plotRight, log: c.geometric}
	top := 0.0
	for _, share := range c.shares {
		top = max(top, share*100)
	}
	step := niceStep(top * 1.05 / 5)
	y := axis{lo: 0, hi: step * math.Ceil(top*1.05/step), from: plotBottom, to: plotTop}
	s.frame(x, y, x.ticks(9), "Equivalent circular diameter ("+unit.name+")", "Objects per class (%)")
	for i, share := range c.shares {
		left, right := x.at(c.edges[i]), x.at(c.edges[i+1])
		s.rect(left+0.4, y.at(share*100), max(0.4, right-left-0.8), plotBottom-y.at(share*100), barColour)
	}
	right := axis{lo: 0, hi: 100, from: plotBottom, to: plotTop}
	s.line(plotRight, plotTop, plotRight, plotBottom, curveColour, 1.2, "")
	for _, v := range []float64{0, 20, 40, 60, 80, 100} {
		s.line(plotRight, right.at(v), plotRight+5, right.at(v), curveColour, 1.2, "")
		s.text(plotRight+9, right.at(v)+4, "start", curveColour, tickText(v))
	}
	s.sideways(chartW-10, (plotTop+plotBottom)/2, curveColour, "Cumulative Q₀ (%)")
	s.percentiles(x, stat, unit)
	s.curve(x, right, c.cumulative)
	return s.done()
}

// percentiles marks D10, D50 and D90 at the top; labels that would overlap are left out, D50 last.
func (s *svg) percentiles(x axis, stat metrics.Stat, unit lengthUnit) {
	const apart = 34
	var drawn []float64
	for _, p := range []struct {
		name  string
		value *float64
	}{{"D50", stat.P50}, {"D10", stat.P10}, {"D90", stat.P90}} {
		if p.value == nil {
			continue
		}
		at := x.at(*p.value * unit.factor)
		s.line(at, plotTop-6, at, plotBottom, markColour, 1, "4 3")
		free := true
		for _, other := range drawn {
			free = free && math.Abs(at-other) >= apart
		}
		if free {
			s.text(at, plotTop-11, "middle", markColour, p.name)
			drawn = append(drawn, at)
		}
	}
}

// curve draws a polyline through points of (value, percent).
func (s *svg) curve(x, y axis, points [][2]float64) {
	s.b.WriteString(`<polyline fill="none" stroke="` + curveColour + `" stroke-width="2" stroke-linejoin="round" points="`)
	for _, p := range points {
		fmt.Fprintf(&s.b, "%.1f,%.1f ", x.at(p[0]), y.at(p[1]*100))
	}
	s.b.WriteString(`"/>`)
}
