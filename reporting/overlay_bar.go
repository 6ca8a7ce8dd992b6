package reporting

import (
	"fmt"
	"image"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"github.com/uni-aims/aimsd/metrics"
)

// ends marks where the bar was measured to begin and to end, with strokes that reach above and below its box.
func (d *drawing) ends(stroke int) {
	if d.BarEnds == nil {
		return
	}
	by := (3 + 4*stroke) * d.factor
	_, y0, _, y1 := d.reduced(metrics.Rect{X1: d.Width, Y0: d.Bar.Y0 - by, Y1: d.Bar.Y1 + by})
	for _, x := range d.BarEnds {
		at := int(x / float64(d.factor))
		d.fill(max(0, at-stroke/2), y0, min(d.w, at-stroke/2+stroke), y1, indexBox, 0)
	}
}

// caption writes what the bar says above its box, or below it, where there is room, on black.
func (d *drawing) caption(stroke int) {
	if d.BarCaption == "" {
		return
	}
	face := basicfont.Face7x13
	w := font.MeasureString(face, d.BarCaption).Ceil() + 4
	text := image.NewAlpha(image.Rect(0, 0, w, face.Height+2))
	(&font.Drawer{Dst: text, Src: image.Opaque, Face: face, Dot: fixed.P(2, face.Ascent+1)}).DrawString(d.BarCaption)
	zoom := max(1, min(stroke-1, d.w/w))
	tw, th := w*zoom, text.Rect.Dy()*zoom
	x0, y0, x1, y1 := d.reduced(*d.Bar)
	for _, t := range d.TextBoxes { // stay clear of the label that was read
		if _, b0, _, b1 := d.reduced(t); b0 < b1 {
			y0, y1 = min(y0, b0), max(y1, b1)
		}
	}
	gap := 3 + 5*stroke
	x, y := min(max(0, (x0+x1-tw)/2), max(0, d.w-tw)), y0-gap-th
	if y < 0 {
		y = min(y1+gap, d.h-th)
	}
	for ty := max(0, y); ty < min(d.h, y+th); ty++ {
		row := d.img.Pix[ty*d.img.Stride:]
		for tx := x; tx < min(d.w, x+tw); tx++ {
			row[tx] = indexBlack
			if text.AlphaAt((tx-x)/zoom, (ty-y)/zoom).A > 127 {
				row[tx] = indexBox
			}
		}
	}
}

// captionOf is a bar in a few ASCII words.
func captionOf(s *Scale) string {
	b := s.Bar
	if b == nil {
		return ""
	}
	if b.Value == nil {
		return fmt.Sprintf("bar %.1f px, text not read", b.LengthPx)
	}
	text := strings.NewReplacer("µ", "u", "μ", "u", "Å", "A").Replace(b.Text)
	caption := fmt.Sprintf("%s = %.1f px", text, b.LengthPx)
	if s.NmPerPx != nil {
		caption += fmt.Sprintf("; %.4g nm/px from %s", *s.NmPerPx, strings.ReplaceAll(s.Source, "_", " "))
	}
	return caption
}
