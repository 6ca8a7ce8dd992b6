package reporting

import (
	"image"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/uni-aims/aimsd/metrics"
)

// MaxOverlayPx is the longest side of an overlay. Larger frames are shown reduced by a whole factor: the
// overlay is for eyes, labels.tif keeps every pixel.
const MaxOverlayPx = 4096

// OverlayOptions say what DrawOverlay draws. Rectangles are in px of the frame; the zero Analysed means the
// whole frame.
type OverlayOptions struct {
	Labels        []int32 // row-major, Width*Height, 0 background
	Width, Height int
	Gray8         []uint8  // at most one of the two pictures is set; neither: a plain background
	Gray16        []uint16 // full range 0..65535
	Objects       []metrics.Object
	Analysed      metrics.Rect
	Excluded      []metrics.Rect // boxes in it that were not analysed
	Bar           *metrics.Rect  // the burned-in scale bar
	BarEnds       *[2]float64    // its measured ends, x in px
	BarCaption    string         // what it says, in ASCII
	TextBoxes     []metrics.Rect
}

// Overlay is a drawn overlay.
type Overlay struct {
	Image  *image.Paletted
	Factor int // px of the frame per px of the overlay, along each axis
}

// DrawOverlay draws the frame in grey, stretched between the 1st and 99th percentile of its analysed area,
// and over it the outline of every object, inside the object's own pixels. Neighbours differ in colour.
// Edge objects, which the statistics leave out or weight, have dashed outlines. What lies outside the
// analysed area is dimmed behind a dashed white border; the scale bar is boxed in cyan with its ends marked and what
// it says beside it, text in dashed cyan.
func DrawOverlay(opts OverlayOptions) *Overlay {
	factor := overlayFactor(opts.Width, opts.Height)
	d := drawing{OverlayOptions: opts, factor: factor}
	d.w = (opts.Width + factor - 1) / factor
	d.h = (opts.Height + factor - 1) / factor
	if d.Analysed == (metrics.Rect{}) {
		d.Analysed = metrics.Rect{X1: opts.Width, Y1: opts.Height}
	}
	d.img = image.NewPaletted(image.Rect(0, 0, d.w, d.h), overlayPalette())
	d.drawGray()
	d.drawOutlines()
	d.drawBoxes()
	return &Overlay{Image: d.img, Factor: factor}
}

// overlayFactor is how many px of a frame make one px of its overlay, along each axis.
func overlayFactor(width, height int) int {
	return max(1, (max(width, height)+MaxOverlayPx-1)/MaxOverlayPx)
}

// drawing is an overlay in the making; w and h are its size, Width and Height the frame's.
type drawing struct {
	OverlayOptions
	img    *image.Paletted
	factor int
	w, h   int
}

// parallelRows calls fn on bands of rows [y0, y1) that together cover h rows.
func parallelRows(h int, fn func(y0, y1 int)) {
	workers := min(runtime.GOMAXPROCS(0), max(1, h/64))
	var g errgroup.Group
	for i := range workers {
		g.Go(func() error {
			fn(i*h/workers, (i+1)*h/workers)
			return nil
		})
	}
	_ = g.Wait() // fn cannot fail
}

// line returns the stroke width in px for an image whose long side is long: lines stay visible when the
// whole overlay is fitted to a screen.
func line(long int) int {
	switch {
	case long <= 700:
		return 1
	case long <= 1600:
		return 2
	case long <= 2800:
		return 3
	default:
		return 4
	}
}

// drawBoxes draws the border of the analysed area, where it lies inside the frame, and the boxes of the
// scale bar and of text.
func (d *drawing) drawBoxes() {
	stroke := line(max(d.w, d.h))
	d.border(stroke)
	for _, b := range d.TextBoxes {
		d.box(b, 2*d.factor, stroke, 6)
	}
	if d.Bar != nil {
		d.box(*d.Bar, 3*d.factor, stroke, 0)
		d.ends(stroke)
		d.caption(stroke)
	}
}

// border draws those sides of the analysed area that are not sides of the frame.
func (d *drawing) border(stroke int) {
	x0, y0, x1, y1 := d.reduced(d.Analysed)
	if x0 >= x1 || y0 >= y1 {
		return
	}
	if x0 > 0 {
		d.fill(x0, y0, min(x0+stroke, x1), y1, indexWhite, 12)
	}
	if y0 > 0 {
		d.fill(x0, y0, x1, min(y0+stroke, y1), indexWhite, 12)
	}
	if x1 < d.w {
		d.fill(max(x1-stroke, x0), y0, x1, y1, indexWhite, 12)
	}
	if y1 < d.h {
		d.fill(x0, max(y1-stroke, y0), x1, y1, indexWhite, 12)
	}
}

// box strokes the edges of a frame rectangle grown by some px.
func (d *drawing) box(r metrics.Rect, by, stroke, dash int) {
	x0, y0, x1, y1 := d.reduced(metrics.Rect{X0: r.X0 - by, Y0: r.Y0 - by, X1: r.X1 + by, Y1: r.Y1 + by})
	if x0 >= x1 || y0 >= y1 {
		return
	}
	d.fill(x0, y0, x1, min(y0+stroke, y1), indexBox, dash)
	d.fill(x0, max(y1-stroke, y0), x1, y1, indexBox, dash)
	d.fill(x0, y0, min(x0+stroke, x1), y1, indexBox, dash)
	d.fill(max(x1-stroke, x0), y0, x1, y1, indexBox, dash)
}

// reduced maps a frame rectangle to the overlay, cut to it.
func (d *drawing) reduced(r metrics.Rect) (x0, y0, x1, y1 int) {
	return max(0, r.X0/d.factor), max(0, r.Y0/d.factor),
		min(d.w, (r.X1+d.factor-1)/d.factor), min(d.h, (r.Y1+d.factor-1)/d.factor)
}

// fill paints a rectangle of the overlay; dash > 0 alternates the colour with black every dash px, so that
// it shows on any grey.
func (d *drawing) fill(x0, y0, x1, y1 int, colour uint8, dash int) {
	for y := y0; y < y1; y++ {
		row := d.img.Pix[y*d.img.Stride:]
		for x := x0; x < x1; x++ {
			row[x] = colour
			if dash > 0 && (x/dash+y/dash)%2 == 1 {
				row[x] = indexBlack
			}
		}
	}
}
