package agent

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/uni-aims/aimsd/metrics/milling"
)

// Widths of a row's parts.
const (
	labelWidth  = 12
	progressBar = 40
	ageBar      = 12
)

// row is a line with a label.
func row(label string, spans ...span) textLine {
	return append(textLine{{fmt.Sprintf("  %-*s", labelWidth, label), styleSoft}}, spans...)
}

// arming says whether the daemon acts on its advice, and for how long yet.
func (w *watched) arming(now time.Time) textLine {
	switch a := w.armed; {
	case a == nil:
		return nil
	case a.GetArmed():
		left := time.Duration(a.GetLeaseLeftMs())*time.Millisecond - now.Sub(w.armedAt)
		return textLine{{"   ", stylePlain}, {fmt.Sprintf("ARMED by %s, %s left", a.GetBy(), ageText(left)), stylePause}}
	}
	return textLine{{"   not armed", styleSoft}}
}

func (w *watched) progress() textLine {
	share, target := math.NaN(), w.target()
	text := "not seen"
	if g := w.last.GetGeometry(); g != nil && g.Progress != nil {
		share = g.GetProgress()
		text = fmt.Sprintf("%5.1f %%", 100*share)
	}
	full := 1.0
	if !math.IsNaN(target) {
		text += fmt.Sprintf("  of %.4g %%", 100*target)
		full = max(full, target)
	}
	return row("progress", span{barText(progressBar, share/full, target/full), adviceStyle(w.last.GetAdvice())}, span{"  " + text, styleStrong})
}

// target is the progress at which milling is done; NaN where the end-point is told by something else.
func (w *watched) target() float64 {
	e, g := w.last.GetEndpoint(), w.last.GetGeometry()
	switch {
	case e == nil || e.ThresholdValue == nil:
	case e.GetMetric() == milling.MetricProgress:
		return e.GetThresholdValue()
	case e.GetMetric() == milling.MetricFront && g != nil && g.GetFrontM() > 0:
		return e.GetThresholdValue() * 1e-9 * g.GetProgress() / g.GetFrontM()
	}
	return math.NaN()
}

func (w *watched) front() textLine {
	g := w.last.GetGeometry()
	front, rate, left := "not seen", "–", "–"
	switch {
	case g == nil:
	case g.FrontM != nil:
		front = milling.Length(g.GetFrontM())
	case g.FrontPx != nil:
		front = fmt.Sprintf("%.1f px", g.GetFrontPx())
	}
	if g != nil && g.RateMPerS != nil {
		rate = milling.Length(g.GetRateMPerS()) + "/s"
	}
	switch e := w.last.GetEndpoint(); {
	case e.GetDetected():
		left = "done"
	case g != nil && g.EtaS != nil:
		left = ageText(time.Duration(g.GetEtaS() * float64(time.Second)))
	}
	return row("front", span{fmt.Sprintf("%-14s", front), styleStrong}, span{"rate ", styleSoft}, span{fmt.Sprintf("%-14s", rate), styleStrong},
		span{"to go ", styleSoft}, span{left, styleStrong})
}

func (w *watched) drift() textLine {
	d := w.last.GetDrift()
	if d == nil || !d.GetSuccess() {
		return row("drift", span{"not known", styleAlarm})
	}
	x, y := d.GetShiftPx().GetX(), d.GetShiftPx().GetY()
	text := fmt.Sprintf("%s%.1f px   x %+.1f px, y %+.1f px", arrow(x, y), math.Hypot(x, y), x, y)
	if m := d.GetShiftM(); m != nil {
		text += fmt.Sprintf("   (x %+.0f nm, y %+.0f nm)", m.GetX()*1e9, m.GetY()*1e9)
	}
	return row("drift", span{text, stylePlain})
}

// arrow shows where something went, +x right, +y down; nothing for less than half a pixel.
func arrow(x, y float64) string {
	if math.Hypot(x, y) < 0.5 {
		return ""
	}
	eighth := int(math.Round(math.Atan2(-y, x)/(math.Pi/4))+8) % 8
	return []string{"→", "↗", "↑", "↖", "←", "↙", "↓", "↘"}[eighth] + " "
}

func (w *watched) endpoint() textLine {
	e := w.last.GetEndpoint()
	if e.GetDetected() {
		return row("end-point", span{"REACHED", stylePause}, span{"   " + w.value(), stylePlain})
	}
	of := func(n int) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprintf(" of %d", n)
	}
	var warm, consecutive int
	if w.plan != nil {
		warm, consecutive = w.plan.Endpoint.WarmupFrames, w.plan.Endpoint.Consecutive
	}
	if !e.GetWarmupComplete() {
		text := "warming up"
		if warm > 0 {
			text += fmt.Sprintf(", %d good frames", warm)
		}
		return row("end-point", span{text + "   " + w.value(), stylePlain})
	}
	return row("end-point", span{fmt.Sprintf("count %d%s", e.GetConsecutiveCount(), of(consecutive)), styleStrong}, span{"   " + w.value(), stylePlain})
}

// value is what the end-point is told by, where it stands and where it should get.
func (w *watched) value() string {
	e := w.last.GetEndpoint()
	if e.Value == nil {
		return e.GetMetric() + " not seen"
	}
	show := func(v float64) string {
		switch e.GetMetric() {
		case milling.MetricProgress:
			return fmt.Sprintf("%.1f %%", 100*v)
		case milling.MetricFront:
			return milling.Length(v * 1e-9)
		case milling.MetricArea:
			return fmt.Sprintf("%.4g µm²", v)
		}
		return fmt.Sprintf("%.3f", v)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(e.GetMetric(), "_nm"), "_um2") + " " + show(e.GetValue())
	if u := w.last.Uncertainty; u != nil {
		text += " ± " + show(*u)
	}
	if e.ThresholdValue != nil {
		text += ", threshold " + show(e.GetThresholdValue())
	}
	return text
}

func (w *watched) image() textLine {
	confidence := "–"
	if w.last.Confidence != nil {
		confidence = fmt.Sprintf("%.2f", w.last.GetConfidence())
	}
	flags, style := "good", stylePlain
	if q := w.last.GetImageQuality(); len(q) > 0 {
		flags, style = strings.Join(q, ", "), stylePause
	}
	line := row("confidence", span{fmt.Sprintf("%-14s", confidence), styleStrong}, span{"image ", styleSoft}, span{flags, style})
	if n := w.last.GetSkipped(); n > 0 {
		line = append(line, span{fmt.Sprintf("   %d feedbacks not shown", n), styleSoft})
	}
	return line
}

// age is how old the advice is, and how long it holds.
func (w *watched) age(now time.Time) textLine {
	age, valid := now.Sub(w.at), w.validFor()
	took := time.Duration(w.last.GetDecisionTimeUnixNs() - w.last.GetFrameTimeUnixNs())
	line := row("age", span{fmt.Sprintf("%-8s", ageText(age)), styleStrong}, span{"holds " + ageText(valid) + "  ", styleSoft})
	style := stylePlain
	if age > valid {
		style = styleAlarm
	}
	line = append(line, span{barText(ageBar, age.Seconds()/valid.Seconds(), math.NaN()), style})
	if w.last.GetFrameTimeUnixNs() > 0 && took >= 0 {
		line = append(line, span{"  decided " + ageText(took) + " after the frame", styleSoft})
	}
	return line
}

// ageText writes a duration for reading at a glance.
func ageText(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", max(d, 0).Seconds())
	case d < 100*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
}

// history lists the last changes of advice in at most room lines, the newest first.
func (w *watched) history(room int) (lines []textLine) {
	for i, c := range slices.Backward(w.changes) {
		if len(lines) >= room {
			break
		}
		label := ""
		if i == len(w.changes)-1 {
			label = "changes"
		}
		lines = append(lines, row(label, span{c.at.Format("15:04:05") + "  ", styleSoft},
			span{fmt.Sprintf("%-9s", c.feedback.GetAdvice()), adviceStyle(c.feedback.GetAdvice())},
			span{fmt.Sprintf("frame %d  ", c.feedback.GetSeq()), styleSoft}, span{strings.Join(c.feedback.GetReasons(), " "), stylePlain}))
	}
	return lines
}
