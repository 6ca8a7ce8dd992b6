package reporting

import (
	"html/template"
	"unicode/utf8"

	"github.com/uni-aims/aimsd/metrics/score"
)

// reliabilityChart draws how often found objects are true, in bins of their confidence, with the numbers of
// objects above. It returns "" without a curve.
func reliabilityChart(c *score.Curve) template.HTML {
	if c == nil {
		return ""
	}
	s := newSVG("Reliability of the confidence")
	x, y := axis{lo: 0, hi: 1, from: plotLeft, to: plotRight}, axis{lo: 0, hi: 100, from: plotBottom, to: plotTop}
	s.frame(x, y, x.ticks(10), "Confidence", "Objects that are true (%)")
	var points [][2]float64
	for _, b := range c.Bins {
		if b.Right == nil {
			continue
		}
		top := y.at(100 * *b.Right)
		s.rect(x.at(b.From)+1, top, x.at(b.To)-x.at(b.From)-2, plotBottom-top, barColour)
		s.text((x.at(b.From)+x.at(b.To))/2, plotTop-13, "middle", markColour, count(b.Objects))
		points = append(points, [2]float64{*b.Confidence, *b.Right})
	}
	s.line(x.at(0), y.at(0), x.at(1), y.at(100), inkColour, 1.2, "5 4")
	s.curve(x, y, points)
	for _, p := range points {
		s.dot(x.at(p[0]), y.at(100*p[1]), 3.5)
	}
	s.text(plotLeft-8, plotTop-13, "end", markColour, "n")
	return s.done()
}

// thresholdChart draws mean AP against the IoU threshold, of all images and of their two parts.
func thresholdChart(sum *score.Summary) template.HTML {
	if sum.All.AP == nil {
		return ""
	}
	s := newSVG("Average precision against the IoU threshold")
	thresholds := score.Thresholds()
	x := axis{lo: thresholds[0], hi: thresholds[len(thresholds)-1], from: plotLeft, to: plotRight}
	y := axis{lo: 0, hi: 1, from: plotBottom, to: plotTop}
	s.frame(x, y, thresholds, "IoU threshold", "Mean AP")
	at := plotRight
	for _, l := range []struct {
		name, colour, dash string
		set                *score.Set
	}{
		{denseTitle, "#00805a", "2 4", &sum.Dense},
		{sparseTitle, "#1f5f8b", "8 4", &sum.Sparse},
		{"all images", curveColour, "", &sum.All},
	} {
		ap := l.set.AP
		if ap == nil || l.set != &sum.All && l.set.Images == sum.All.Images {
			continue
		}
		for k := 1; k < len(thresholds); k++ {
			s.line(x.at(thresholds[k-1]), y.at(ap[k-1]), x.at(thresholds[k]), y.at(ap[k]), l.colour, 2.2, l.dash)
		}
		s.text(at, plotTop-12, "end", l.colour, l.name)
		at -= 8 + 8.4*float64(utf8.RuneCountInString(l.name))
		s.line(at-22, plotTop-16, at, plotTop-16, l.colour, 2.2, l.dash)
		at -= 34
	}
	return s.done()
}

// The two parts of a set; score.Dense is where they meet.
const (
	sparseTitle = "< 100 objects"
	denseTitle  = "≥ 100 objects"
)
