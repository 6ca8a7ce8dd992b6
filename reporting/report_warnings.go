package reporting

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/uni-aims/aimsd/metrics"
)

const (
	lowConfidence  = 0.6 // mean object confidence below which an input is pointed out
	fewObjects     = 50  // measured objects below which percentiles are called indicative
	smallShare     = 0.1 // share of objects below 50 px² from which shapes are called uncertain
	namesInWarning = 4
	exitAbort      = "abort" // Batch.ExitStatus of a run that nobody works on any more
	heavyWeight    = 4       // Miles-Lantuejoul weight from which an object is called large for its frame
)

// warnings are what a reader must know before using the numbers.
func warnings(b *Batch, p *pool) []string {
	var out []string
	c := b.counts()
	if c.Failed > 0 {
		out = append(out, fmt.Sprintf("%s of %s failed and %s not part of the numbers: see table 2.",
			count(c.Failed), plural(c.Total, "input"), isAre(c.Failed)))
	}
	if note := unitNote(p); note != "" {
		out = append(out, note)
	}
	out = append(out, flagWarnings(b)...)
	out = append(out, checkWarnings(b)...)
	if n := p.stat(0).N; n > 0 && n < fewObjects {
		out = append(out, fmt.Sprintf("The distribution rests on only %s: D10 and D90 are indicative.", plural(n, "object")))
	}
	if note := heavyNote(b); note != "" {
		out = append(out, note)
	}
	if n := p.objects - p.edge; n > 0 && float64(p.smallObjects) > smallShare*float64(n) {
		out = append(out, fmt.Sprintf("%s of %s measured objects cover fewer than 50 px: their shape values say little; use a higher magnification.",
			count(p.smallObjects), count(n)))
	}
	switch {
	case b.ExitStatus == exitAbort:
		out = append(out, "The run was cut off by a crash or power cut and not taken up again: frames may be missing.")
	case b.Run.ClosedAt.IsZero():
		out = append(out, "The run was still open when this report was written.")
	}
	return out
}

// heavyNote points out objects so large for their frame that the border correction counts them many times:
// right on average over many frames, but one wrong outline then moves every percentile.
func heavyNote(b *Batch) string {
	n, most := 0, float32(0)
	var paths []string
	for i := range b.Inputs {
		in := &b.Inputs[i]
		before := n
		for _, w := range in.Sizes.WeightML {
			if w >= heavyWeight {
				n, most = n+1, max(most, w)
			}
		}
		if n > before {
			paths = append(paths, in.Path)
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%s large for the frame, counted up to %s-fold by the border correction; look at the outlines or use a lower magnification: %s.",
		plural(n, "object")+" "+isAre(n), significant(float64(most), 2), someNames(paths))
}

func wasWere(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

// flagWarnings gathers the inputs of every image quality flag, and those of low confidence.
func flagWarnings(b *Batch) []string {
	byFlag := map[string][]string{}
	var unsure []string
	for i := range b.Inputs {
		in := &b.Inputs[i]
		if in.Result == nil {
			continue
		}
		for _, flag := range in.Result.ImageQuality {
			byFlag[flag] = append(byFlag[flag], in.Path)
		}
		if c := in.Result.Confidence; c != nil && *c < lowConfidence {
			unsure = append(unsure, in.Path)
		}
	}
	var out []string
	for _, flag := range slices.Sorted(maps.Keys(byFlag)) {
		out = append(out, sentence(flagText(flag))+": "+someNames(byFlag[flag])+".")
	}
	if len(unsure) > 0 {
		out = append(out, fmt.Sprintf("Low confidence (mean below %g), look at the outlines: %s.", lowConfidence, someNames(unsure)))
	}
	return out
}

// checkWarnings gathers the inputs of every scale check that did not pass.
func checkWarnings(b *Batch) []string {
	type key struct{ name, status string }
	inputs, details := map[key][]string{}, map[key]string{}
	for i := range b.Inputs {
		in := &b.Inputs[i]
		if in.Result == nil {
			continue
		}
		for _, c := range in.Result.Scale.Checks {
			if c.Status != "warn" && c.Status != "fail" {
				continue
			}
			k := key{c.Name, c.Status}
			inputs[k], details[k] = append(inputs[k], in.Path), c.Detail
		}
	}
	var out []string
	for k, paths := range inputs {
		verdict := map[string]string{"warn": "doubtful", "fail": "failed"}[k.status]
		text := fmt.Sprintf("Scale check “%s” %s: %s", strings.ReplaceAll(k.name, "_", " "), verdict, someNames(paths))
		if len(paths) == 1 && details[k] != "" {
			text += " (" + details[k] + ")"
		}
		out = append(out, strings.TrimSuffix(text, ".")+".")
	}
	slices.Sort(out)
	return out
}

// someNames lists the first few base names.
func someNames(paths []string) string {
	var names []string
	for _, p := range paths[:min(len(paths), namesInWarning)] {
		names = append(names, filepath.Base(p))
	}
	text := strings.Join(names, ", ")
	if more := len(paths) - len(names); more > 0 {
		text += fmt.Sprintf(" and %s more", count(more))
	}
	return text
}

func flagText(flag string) string {
	switch flag {
	case metrics.FlagBlank:
		return "blank frame"
	case metrics.FlagIncomplete:
		return "scan interrupted, part of the picture is missing"
	case metrics.FlagFrozen:
		return "the same picture again"
	case metrics.FlagBlurred:
		return "out of focus or blurred by motion"
	case metrics.FlagCharging:
		return "charging, bands along the scan lines"
	case metrics.FlagCurtaining:
		return "curtaining, stripes along the milling direction"
	default:
		return strings.ReplaceAll(flag, "_", " ")
	}
}

func flagsText(flags []string) string {
	var texts []string
	for _, f := range flags {
		texts = append(texts, flagText(f))
	}
	return strings.Join(texts, ", ")
}

func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
