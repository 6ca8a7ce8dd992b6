package agent

import (
	"slices"

	"github.com/uni-aims/aimsd/infer"
	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/reporting"
)

// look is what the picture itself tells.
type look struct {
	quality metrics.ImageQuality
	print   metrics.Print
}

// lookAt looks at the analysed area of a frame, whose excluded boxes are filled.
func lookAt(m infer.Image, area metrics.Rect) look {
	return look{
		quality: metrics.Look(m.Gray8, m.Gray16, m.Width, m.Height, area),
		print:   metrics.PrintOf(m.Gray8, m.Gray16, m.Width, m.Height, area),
	}
}

func (an *Analysis) take(l look) {
	an.Result.ImageQuality, an.Result.Quality, an.Print = l.quality.Flags, &l.quality, &l.print
}

const (
	printsKept    = 4  // frames of a source that the next one is compared with
	sourcesPrints = 64 // sources that prints are kept of: those that sent frames last
)

// prints remembers the last frames of each source, to find the one that comes again under another name: an
// acquisition that stands still. It starts anew with the process. The zero value is ready.
type prints struct {
	recent []sourcePrints // the source that sent a frame last is last
}

type sourcePrints struct {
	source string
	last   []metrics.Print // the latest last
}

// compare flags a frame that is the same acquisition as one of the last few of its source. A blank frame is none.
func (p *prints) compare(source string, print *metrics.Print, r *reporting.Result) {
	if print == nil || slices.Contains(r.ImageQuality, metrics.FlagBlank) {
		return
	}
	kept := sourcePrints{source: source}
	if i := slices.IndexFunc(p.recent, func(s sourcePrints) bool { return s.source == source }); i >= 0 {
		kept = p.recent[i]
		p.recent = slices.Delete(p.recent, i, i+1)
	} else if len(p.recent) == sourcesPrints {
		p.recent = slices.Delete(p.recent, 0, 1)
	}
	if slices.ContainsFunc(kept.last, print.Same) {
		r.ImageQuality = append(r.ImageQuality, metrics.FlagFrozen)
	}
	if len(kept.last) == printsKept {
		kept.last = slices.Delete(kept.last, 0, 1)
	}
	kept.last = append(kept.last, *print)
	p.recent = append(p.recent, kept)
}
