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
	Bar           *metrics.Rect // the burned-in scale bar
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
// analysed area is dimmed behind a dashed white border; the scale bar is boxed in cyan, text in dashed cyan.
func DrawOverlay(opts OverlayOptions) *Overlay {
	long := max(opts.Width, opts.Height)
	factor := max(1, (long+MaxOverlayPx-1)/MaxOverlayPx)
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
	case long <= 1400:
		return 1
	case long <= 2800:
		return 2
	default:
		return 3
	}
}

// drawBoxes draws the border of the analysed area, where it is smaller than the frame, and the boxes of
// the scale bar and of text.
func (d *drawing) drawBoxes() {
	stroke := line(max(d.w, d.h))
	if d.Analysed != (metrics.Rect{X1: d.Width, Y1: d.Height}) {
		d.box(d.Analysed, stroke, indexWhite, 12)
	}
	for _, b := range d.TextBoxes {
		d.box(grow(b, 2*d.factor), stroke, indexBox, 6)
	}
	if d.Bar != nil {
		d.box(grow(*d.Bar, 3*d.factor), stroke, indexBox, 0)
	}
}

func grow(r metrics.Rect, by int) metrics.Rect {
	return metrics.Rect{X0: r.X0 - by, Y0: r.Y0 - by, X1: r.X1 + by, Y1: r.Y1 + by}
}

// box strokes a frame rectangle just inside its edges; dash > 0 alternates the colour with black every
// dash px, so that it shows on any grey.
func (d *drawing) box(r metrics.Rect, stroke int, colour uint8, dash int) {
	x0, y0 := max(0, r.X0/d.factor), max(0, r.Y0/d.factor)
	x1, y1 := min(d.w, (r.X1+d.factor-1)/d.factor), min(d.h, (r.Y1+d.factor-1)/d.factor)
	set := func(x, y int) {
		c := colour
		if dash > 0 && (x/dash+y/dash)%2 == 1 {
			c = indexBlack
		}
		d.img.Pix[y*d.img.Stride+x] = c
	}
	for s := range stroke {
		if x0+s >= x1-s || y0+s >= y1-s {
			return
		}
		for x := x0 + s; x < x1-s; x++ {
			set(x, y0+s)
			set(x, y1-1-s)
		}
		for y := y0 + s; y < y1-s; y++ {
			set(x0+s, y)
			set(x1-1-s, y)
		}
	}
}
