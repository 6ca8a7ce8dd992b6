package reporting

import (
	"fmt"
	"html/template"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/uni-aims/aimsd/metrics/milling"
)

// millingView is the report's section about one source's milling.
type millingView struct {
	Title    string
	Mark     string // begins the numbers of its figures and its table
	Key      []keyFigure
	Progress template.HTML
	Drift    template.HTML
	Advice   template.HTML
	Note     string // on the progress chart
	Changes  []changeRow
	Omitted  string // of the changes
}

// changeRow is a line of the table of changes of advice.
type changeRow struct{ Time, Seq, Advice, Reasons, Progress, Text string }

// maxChanges bounds the table of changes.
const maxChanges = 100

func millingViews(b *Batch) (views []millingView) {
	runs := b.millingRuns()
	for i, frames := range runs {
		sum := sumMilling(frames)
		v := millingView{
			Title: "Milling", Mark: "M", Key: millingFigures(sum), Progress: progressChart(frames, sum), Drift: driftChart(frames),
			Advice: adviceChart(frames, sum),
		}
		if len(runs) > 1 {
			v.Title, v.Mark = "Milling of source "+sum.Source, fmt.Sprintf("M%d.", i+1)
		}
		if !slices.ContainsFunc(frames, func(f *MillingFrame) bool { return f.Threshold != nil }) && sum.EndpointMetric != "" {
			v.Note = "The end-point is told by " + metricName(sum.EndpointMetric) + ", so the threshold is not shown. "
		}
		v.Changes, v.Omitted = changesOf(frames)
		views = append(views, v)
	}
	return views
}

// metricName says what an end-point is told by.
func metricName(metric string) string {
	names := map[string]string{
		milling.MetricProgress: "progress", milling.MetricFront: "the front's distance",
		milling.MetricArea: "the milled area", milling.MetricIntensity: "the grey level of the pattern",
	}
	if n := names[metric]; n != "" {
		return n
	}
	return metric
}

func millingFigures(s *millingSummary) []keyFigure {
	end := keyFigure{Name: "End-point", Value: "none", Note: "it was not reached"}
	if s.EndpointReached {
		value, unit := durationText(*s.EndpointAfterS)
		end.Value, end.Note = "#"+count(int(*s.EndpointSeq)), "the frame's number; after "+value+" "+unit+", told by "+metricName(s.EndpointMetric)
	}
	rateNote := "of the front"
	if s.EndpointReached {
		rateNote += ", until the end-point"
	}
	duration, durationUnit := durationText(s.DurationS)
	front := chooseUnit("nm", s.FinalFrontNm)
	drift := keyFigure{Name: "Largest drift", Value: undefinedText}
	if px := s.LargestDriftPx; px != nil {
		drift.Value, drift.Unit, drift.Note = significant(*px, 3), "px", "at frame "+count(int(*s.LargestDriftSeq))
		if nm := s.LargestDriftNm; nm != nil {
			unit := chooseUnit("nm", nm)
			drift.Note = significant(*nm*unit.factor, 3) + " " + unit.name + ", " + drift.Note
		}
	}
	return []keyFigure{
		end,
		{Name: "Progress", Value: percent(s.FinalProgress), Note: "where it was last seen"},
		{Name: "Front", Value: short(front, s.FinalFrontNm), Unit: front.name, Note: "from the edge where milling began"},
		{Name: "Mean rate", Value: short(lengthUnit{"", 1}, s.MeanRateNmPerS), Unit: "nm/s", Note: rateNote},
		{Name: "Duration", Value: duration, Unit: durationUnit, Note: plural(s.Frames, "frame") + " seen"},
		drift,
		{Name: "Abstained", Value: count(s.Advices[milling.Abstain]), Unit: "frames", Note: abstainedText(s)},
	}
}

// short shows three digits, as much as a front is known to.
func short(u lengthUnit, v *float64) string {
	if v == nil {
		return undefinedText
	}
	return significant(*v*u.factor, 3)
}

// durationText writes a duration for reading.
func durationText(seconds float64) (value, unit string) {
	whole := int(math.Round(seconds))
	switch {
	case seconds < 99.5:
		return significant(seconds, 2), "s"
	case whole < 3600:
		return fmt.Sprintf("%d:%02d", whole/60, whole%60), "min"
	}
	return fmt.Sprintf("%d:%02d", whole/3600, whole/60%60), "h"
}

// abstainedText counts abstentions by reason, the most frequent first.
func abstainedText(s *millingSummary) string {
	reasons := slices.Sorted(maps.Keys(s.Abstained))
	slices.SortStableFunc(reasons, func(a, b string) int { return s.Abstained[b] - s.Abstained[a] })
	parts := make([]string, len(reasons))
	for i, r := range reasons {
		parts[i] = reasonWords(r) + " " + count(s.Abstained[r])
	}
	if len(parts) == 0 {
		return "every frame brought an advice"
	}
	return strings.Join(parts, ", ")
}

// reasonWords makes a reason's word readable: IMAGE_FROZEN is image frozen.
func reasonWords(r string) string { return strings.ToLower(strings.ReplaceAll(r, "_", " ")) }

// changesOf lists the frames whose advice is another one than the frame's before. Where those are many, what only
// lasted through abstentions is left out first.
func changesOf(frames []*MillingFrame) (rows []changeRow, omitted string) {
	all := changed(frames)
	total := len(all)
	if total > maxChanges {
		speaking := slices.DeleteFunc(slices.Clone(frames), func(f *MillingFrame) bool { return f.Advice == milling.Abstain })
		all = changed(speaking)
		omitted = fmt.Sprintf("Of %s changes those into and out of ABSTAIN are left out. ", count(total))
	}
	if len(all) > maxChanges {
		omitted += fmt.Sprintf("Only the first %d of the others are listed. ", maxChanges)
		all = all[:maxChanges]
	}
	for _, f := range all {
		rows = append(rows, changeRow{
			Time: clock(f.Time), Seq: count(int(f.Seq)), Advice: f.Advice, Reasons: f.reasonText(), Progress: percent(f.Progress), Text: f.Text,
		})
	}
	return rows, omitted
}

func changed(frames []*MillingFrame) (out []*MillingFrame) {
	last := ""
	for _, f := range frames {
		if f.Advice != last && f.Advice != "" {
			out, last = append(out, f), f.Advice
		}
	}
	return out
}
