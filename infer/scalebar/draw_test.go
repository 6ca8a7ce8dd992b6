package scalebar

import (
	"image"
	"image/color"
	"image/draw"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// canvas is a synthetic micrograph: noise of standard deviation sd around a grey level.
type canvas struct {
	t *testing.T
	m *image.Gray
}

func newCanvas(t *testing.T, w, h int, grey uint8, sd float64, seed uint64) canvas {
	m := image.NewGray(image.Rect(0, 0, w, h))
	r := rand.New(rand.NewPCG(seed, 1))
	for k := range m.Pix {
		m.Pix[k] = uint8(min(max(float64(grey)+sd*r.NormFloat64(), 0), 255))
	}
	return canvas{t, m}
}

func (c canvas) rect(x0, y0, x1, y1 int, v uint8) {
	draw.Draw(c.m, image.Rect(x0, y0, x1, y1), image.NewUniform(color.Gray{v}), image.Point{}, draw.Src)
}

// text writes with the baseline at y.
func (c canvas) text(s string, x, y int, size float64, ttf []byte, v uint8) {
	f, err := opentype.Parse(ttf)
	require.NoError(c.t, err)
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingFull})
	require.NoError(c.t, err)
	d := font.Drawer{Dst: c.m, Src: image.NewUniform(color.Gray{v}), Face: face, Dot: fixed.P(x, y)}
	d.DrawString(s)
}

func (c canvas) image() Image {
	b := c.m.Bounds()
	return Image{Width: b.Dx(), Height: b.Dy(), Gray8: c.m.Pix}
}

// drawn is a synthetic frame and what is right for it.
type drawn struct {
	name   string
	image  Image
	x0, x1 float64
	nm     float64
	style  Style
}

// drawings covers the styles, units and polarities.
func drawings(t *testing.T) []drawn {
	var out []drawn
	add := func(name string, c canvas, x0, x1, nm float64, style Style) {
		out = append(out, drawn{name, c.image(), x0, x1, nm, style})
	}
	c := newCanvas(t, 512, 512, 110, 12, 1)
	c.rect(320, 470, 470, 478, 255)
	c.text("200 nm", 345, 460, 28, goregular.TTF, 255)
	add("bright bar, text above", c, 320, 470, 200, StyleSolid)

	c = newCanvas(t, 512, 400, 190, 10, 2)
	c.rect(40, 350, 140, 356, 0)
	c.text("50 nm", 50, 340, 22, gobold.TTF, 0)
	add("dark bar, text above", c, 40, 140, 50, StyleSolid)

	c = newCanvas(t, 640, 480, 90, 15, 3)
	c.rect(400, 420, 600, 426, 255)
	c.text("0.5 µm", 450, 460, 26, goregular.TTF, 255)
	add("text below", c, 400, 600, 500, StyleSolid)

	c = newCanvas(t, 640, 480, 120, 8, 4)
	c.rect(30, 440, 150, 446, 255)
	c.text("2 µm", 162, 453, 28, gobold.TTF, 255)
	add("text beside", c, 30, 150, 2000, StyleSolid)

	c = newCanvas(t, 800, 600, 100, 20, 5)
	c.rect(0, 540, 800, 600, 0)
	c.rect(500, 569, 600, 571, 255)
	c.rect(680, 569, 780, 571, 255)
	c.rect(500, 560, 502, 580, 255)
	c.rect(778, 560, 780, 580, 255)
	c.text("10 µm", 612, 577, 20, goregular.TTF, 255)
	add("label inside the line", c, 500, 780, 10000, StyleSplit)

	c = newCanvas(t, 800, 600, 100, 20, 6)
	c.rect(0, 540, 800, 600, 0)
	c.rect(100, 575, 221, 577, 255)
	c.rect(100, 570, 102, 582, 255)
	c.rect(219, 570, 221, 582, 255)
	c.text("100 µm", 115, 564, 18, goregular.TTF, 255)
	add("I-beam in a panel", c, 101, 220, 100000, StyleCaps)

	c = newCanvas(t, 1280, 700, 100, 20, 7)
	c.rect(0, 640, 1280, 700, 0)
	for k := range rulerMarks {
		x := 700 + 50*k
		c.rect(x, 642, x+4, 654, 255)
	}
	c.text("15.0kV 8.1mm x20.0k SE", 20, 690, 32, goregular.TTF, 255)
	c.text("5.00 µm", 1060, 690, 32, goregular.TTF, 255)
	add("ruler of eleven marks", c, 702, 1202, 5000, StyleTicks)

	c = newCanvas(t, 700, 500, 140, 10, 8)
	c.rect(450, 430, 650, 480, 255)
	c.rect(500, 468, 600, 473, 0)
	c.text("1 mm", 520, 458, 24, goregular.TTF, 0)
	add("white box", c, 500, 600, 1e6, StyleSolid)

	c = newCanvas(t, 512, 512, 60, 6, 9)
	c.rect(60, 460, 260, 468, 240)
	c.text("500 pm", 100, 448, 30, gomono.TTF, 240)
	add("picometres", c, 60, 260, 0.5, StyleSolid)

	c = newCanvas(t, 512, 512, 60, 6, 10)
	c.rect(60, 460, 260, 468, 240)
	c.text("5 Å", 130, 448, 30, goregular.TTF, 240)
	add("angstrom", c, 60, 260, 0.5, StyleSolid)

	c = newCanvas(t, 512, 512, 60, 6, 11)
	c.rect(60, 460, 260, 468, 240)
	c.text("2,5 um", 110, 448, 28, goregular.TTF, 240)
	add("decimal comma", c, 60, 260, 2500, StyleSolid)

	c = newCanvas(t, 640, 480, 110, 8, 12)
	c.rect(400, 420, 520, 428, 255)
	c.text("20 nm", 415, 462, 34, gobold.TTF, 10)
	add("dark text below a bright bar", c, 400, 520, 20, StyleSolid)

	c = newCanvas(t, 640, 480, 160, 6, 13)
	c.rect(60, 440, 90, 443, 20)
	c.text("20 nm", 58, 428, 36, gomono.TTF, 20)
	add("a bar hardly longer than its text is high", c, 60, 90, 20, StyleSolid)

	c = newCanvas(t, 900, 600, 90, 4, 14)
	for k := range rulerMarks {
		c.rect(300+40*k, 560, 304+40*k, 572, 230)
	}
	c.rect(455, 540, 480, 590, 235) // a particle in front of one mark
	c.text("2.00 µm", 600, 595, 22, goregular.TTF, 230)
	add("ruler with a hidden mark", c, 302, 702, 2000, StyleTicks)

	c = newCanvas(t, 700, 500, 90, 10, 15)
	c.rect(400, 420, 660, 490, 255)
	c.rect(470, 435, 570, 447, 0)
	c.text("200 nm", 418, 482, 30, gobold.TTF, 0)
	c.rect(400, 420, 408, 490, 0) // the plate's frame, as high as no digit
	add("a plate's edge before the text", c, 470, 570, 200, StyleSolid)
	return out
}
