package agent

import (
	"fmt"
	"math"
)

// displayWidthPx is the width that Zeiss's display-referenced keys count pixels in, whatever the image's is.
const displayWidthPx = 1024

// cause names what most likely made the bar's pixel size differ from the metadata's by a ratio.
func (f *fusion) cause(ratio float64) string {
	near := func(want float64) bool { return math.Abs(ratio/want-1) <= maxScaleMismatch }
	width := f.picture.X1 - f.picture.X0
	display := displayWidthPx / float64(width)
	kx := float64(f.meta.Width) / float64(width)
	switch {
	case f.otherSize() && near(kx):
		return fmt.Sprintf("the image was resized by %.4g after it was acquired, and the bar with it", 1/kx)
	case f.otherSize() && f.resize == 1:
		return fmt.Sprintf("the image was cropped and resized by about %.4g after it was acquired", 1/ratio)
	case f.otherSize():
		return fmt.Sprintf("the image was resized by %.4g, but the bar does not fit that", 1/f.resize)
	case width != displayWidthPx && (near(display) || near(1/display)):
		return fmt.Sprintf("the metadata's pixel size refers to a display %d px wide, not to the image", displayWidthPx)
	}
	if power := math.Round(math.Log10(ratio)); power != 0 && near(math.Pow(10, power)) {
		return fmt.Sprintf("a factor of 10^%.0f: a mistaken unit, or a bar of another magnification", power)
	}
	step, way := ratio, "coarser"
	if step < 1 {
		step, way = 1/step, "finer"
	}
	if n := math.Round(step); n >= 2 && n <= 64 && math.Abs(step/n-1) <= 0.01 {
		return fmt.Sprintf("%s by a factor of %.0f: a bar of another magnification, or pixels binned or enlarged", way, n)
	}
	return "the image was resized without new metadata, or the bar is of another magnification"
}
