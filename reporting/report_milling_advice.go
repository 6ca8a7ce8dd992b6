package reporting

import (
	"html/template"
	"math"

	"github.com/uni-aims/aimsd/metrics/milling"
)

// adviceLane is an advice's row in the timeline.
type adviceLane struct{ advice, name, colour string }

// adviceLanes go from the most to the least urgent, what says nothing at the bottom.
func adviceLanes() []adviceLane {
	return []adviceLane{
		{milling.Stop, "Stop", inkColour}, {milling.Pause, "Pause", curveColour}, {milling.Realign, "Realign", "#00805a"},
		{milling.Continue, "Continue", barColour}, {milling.Abstain, "Abstain", markColour},
	}
}

// Size of the timeline.
const (
	laneHeight     = 22.0
	timelineBottom = plotTop + 5*laneHeight
	timelineHeight = timelineBottom + 52
)

// adviceChart draws which advice each frame brought: an advice has a row of its own, so that it can be told without
// colours.
func adviceChart(frames []*MillingFrame, sum *millingSummary) template.HTML {
	x := runAxisOf(frames)
	s := newSVGOf("Advice over the run", timelineHeight)
	for k, l := range adviceLanes() {
		top := plotTop + float64(k)*laneHeight
		s.text(plotLeft-6, top+laneHeight/2+4, "end", inkColour, l.name)
		s.text(plotRight+6, top+laneHeight/2+4, "start", markColour, count(sum.Advices[l.advice]))
		s.line(plotLeft, top+laneHeight, plotRight, top+laneHeight, gridColour, 1, "")
		s.stretches(&x, frames, l, top)
	}
	s.text(plotRight+6, plotTop-12, "start", markColour, "frames")
	s.line(plotLeft, timelineBottom, plotRight, timelineBottom, inkColour, 1.2, "")
	for _, v := range x.ticks {
		s.line(x.at(v), timelineBottom, x.at(v), timelineBottom+5, inkColour, 1.2, "")
		s.text(x.at(v), timelineBottom+19, "middle", inkColour, tickText(v))
	}
	s.text((plotLeft+plotRight)/2, timelineHeight-10, "middle", inkColour, x.title)
	return s.done()
}

// stretches draws where an advice held. A frame's advice stands until the next frame, the last one's for as long as
// the frames are apart; what is narrower than a pixel is drawn as wide as one, and once.
func (s *svg) stretches(x *runAxis, frames []*MillingFrame, l adviceLane, top float64) {
	const least = 1.2
	height := laneHeight - 6
	from, to := math.NaN(), math.NaN()
	flush := func() {
		if !math.IsNaN(from) {
			s.rect(from, top+3, max(to-from, least), height, l.colour)
		}
	}
	for i, f := range frames {
		if f.Advice != l.advice {
			continue
		}
		left, right := x.at(x.places[i]), plotRight
		if i+1 < len(frames) {
			right = x.at(x.places[i+1])
		} else {
			left = min(left, plotRight-least)
		}
		if left <= to+0.3 {
			to = max(to, right)
			continue
		}
		flush()
		from, to = left, max(right, left+least)
	}
	flush()
}
