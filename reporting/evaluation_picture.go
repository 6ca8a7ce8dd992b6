package reporting

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"

	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/metrics/score"
)

// EvaluationPicture is an image with the outlines of true and of found objects as two layers over it, encoded.
type EvaluationPicture struct {
	Gray         []byte // JPEG
	Truth, Found []byte // PNG, transparent but for the outlines
	Width        int    // of the layers, px
	Height       int
}

// EvaluationPictureOptions say what DrawEvaluation draws.
type EvaluationPictureOptions struct {
	Width, Height int
	Gray8         []uint8 // at most one of the two is set; neither: a plain background
	Gray16        []uint16
	Analysed      metrics.Rect // dimmed outside; the zero value means the whole frame
	Truth, Found  []int32      // label images, row-major
	Matching      *score.Matching
}

// Sides of an evaluation's pictures, px.
const (
	layerPx      = 1280 // about the long side of the outlines' layers
	mostEnlarged = 4
	grayPx       = 1100 // most of the grey picture's long side
)

// Colours of outlines, after Okabe and Ito's set for all kinds of colour vision, more saturated because lines
// are thin. Missed and false objects are hatched too, in different directions.
const (
	layerClear = iota
	layerTruth
	layerFound
	layerMissed
	layerFalse
	layerSplit
	layerMerged
)

func layerPalette() color.Palette {
	return color.Palette{
		layerClear:  color.NRGBA{},
		layerTruth:  color.NRGBA{255, 255, 255, 255},
		layerFound:  color.NRGBA{40, 165, 255, 255}, // sky blue
		layerMissed: color.NRGBA{255, 232, 0, 255},  // yellow
		layerFalse:  color.NRGBA{242, 70, 20, 255},  // vermillion
		layerSplit:  color.NRGBA{240, 95, 205, 255}, // reddish purple
		layerMerged: color.NRGBA{0, 215, 140, 255},  // bluish green
	}
}

// layerStyle is how an object is drawn.
type layerStyle struct {
	colour uint8
	wide   bool
	hatch  int // 0 none, 1 rising lines, -1 falling lines
}

func styleOf(fate score.Fate, truth bool) layerStyle {
	switch {
	case fate == score.Split:
		return layerStyle{colour: layerSplit, wide: truth}
	case fate == score.Merged:
		return layerStyle{colour: layerMerged, wide: !truth}
	case fate == score.Matched && truth:
		return layerStyle{colour: layerTruth}
	case fate == score.Matched:
		return layerStyle{colour: layerFound}
	case truth:
		return layerStyle{colour: layerMissed, hatch: 1}
	}
	return layerStyle{colour: layerFalse, hatch: -1}
}

// DrawEvaluation draws an image with what was found in it and what should have been.
func DrawEvaluation(opts EvaluationPictureOptions) (EvaluationPicture, error) {
	var p EvaluationPicture
	px := opts.Width * opts.Height
	if opts.Width <= 0 || opts.Height <= 0 || len(opts.Truth) != px || len(opts.Found) != px {
		return p, fmt.Errorf("evaluation picture of %dx%d px: truth has %d px, found %d", opts.Width, opts.Height, len(opts.Truth), len(opts.Found))
	}
	var err error
	if p.Gray, err = grayJPEG(&opts); err != nil {
		return p, err
	}
	p.Width, p.Height = layerSize(opts.Width, opts.Height)
	if p.Truth, err = layerPNG(opts.Truth, opts.Matching.Truth, true, opts.Width, opts.Height, p.Width, p.Height); err != nil {
		return p, err
	}
	p.Found, err = layerPNG(opts.Found, opts.Matching.Found, false, opts.Width, opts.Height, p.Width, p.Height)
	return p, err
}

// layerSize enlarges small images, so that outlines are thin beside their objects, and reduces large ones.
func layerSize(w, h int) (int, int) {
	zoom := min(mostEnlarged, float64(layerPx)/float64(max(w, h)))
	if zoom > 1 {
		zoom = float64(int(zoom))
	}
	return max(1, int(float64(w)*zoom)), max(1, int(float64(h)*zoom))
}

// grayJPEG is the image in grey, stretched as overlays are and reduced by a whole factor where it is large.
func grayJPEG(opts *EvaluationPictureOptions) ([]byte, error) {
	factor := (max(opts.Width, opts.Height) + grayPx - 1) / grayPx
	d := drawing{
		OverlayOptions: OverlayOptions{
			Width: opts.Width, Height: opts.Height, Gray8: opts.Gray8, Gray16: opts.Gray16, Analysed: opts.Analysed,
		},
		factor: factor, w: (opts.Width + factor - 1) / factor, h: (opts.Height + factor - 1) / factor,
	}
	if d.Analysed == (metrics.Rect{}) {
		d.Analysed = metrics.Rect{X1: opts.Width, Y1: opts.Height}
	}
	d.img = image.NewPaletted(image.Rect(0, 0, d.w, d.h), overlayPalette())
	d.drawGray()
	gray := image.NewGray(d.img.Rect)
	for i, v := range d.img.Pix {
		gray.Pix[i] = uint8(int(v) * brightestGray / (grays - 1))
	}
	var buf bytes.Buffer
	err := jpeg.Encode(&buf, gray, &jpeg.Options{Quality: 78})
	return buf.Bytes(), err
}

// layerPNG draws the outlines of a label image, w x h, into a picture of lw x lh px.
func layerPNG(labels []int32, objects []score.Object, truth bool, w, h, lw, lh int) ([]byte, error) {
	styles := make(map[int32]layerStyle, len(objects))
	for i := range objects {
		styles[objects[i].Label] = styleOf(objects[i].Fate, truth)
	}
	scaled := nearest(labels, w, h, lw, lh)
	img := image.NewPaletted(image.Rect(0, 0, lw, lh), layerPalette())
	thin := max(1, (max(lw, lh)+350)/700)
	parallelRows(lh, func(y0, y1 int) {
		last, style := int32(0), layerStyle{}
		for y := y0; y < y1; y++ {
			row, dst := scaled[y*lw:][:lw], img.Pix[y*img.Stride:][:lw]
			for x, l := range row {
				if l <= 0 {
					continue
				}
				if l != last {
					last, style = l, styles[l]
				}
				if style.paints(scaled, lw, lh, x, y, l, thin) {
					dst[x] = style.colour
				}
			}
		}
	})
	var buf bytes.Buffer
	err := png.Encode(&buf, img)
	return buf.Bytes(), err
}

func (s layerStyle) paints(labels []int32, w, h, x, y int, l int32, stroke int) bool {
	if s.wide {
		stroke *= 2
	}
	if s.hatch != 0 {
		if pitch := 8 * stroke; (x+s.hatch*y+h*pitch)%pitch < stroke {
			return true
		}
	}
	return isOutline(labels, w, h, x, y, l, stroke)
}

// nearest resizes a label image from w x h to tw x th px.
func nearest(labels []int32, w, h, tw, th int) []int32 {
	if w == tw && h == th {
		return labels
	}
	out := make([]int32, tw*th)
	parallelRows(th, func(y0, y1 int) {
		for y := y0; y < y1; y++ {
			src := labels[y*h/th*w:][:w]
			dst := out[y*tw:][:tw]
			for x := range dst {
				dst[x] = src[x*w/tw]
			}
		}
	})
	return out
}

// dataURI embeds a file in a page.
func dataURI(mediaType string, data []byte) template.URL {
	return template.URL("data:" + mediaType + ";base64," + base64.StdEncoding.EncodeToString(data))
}
