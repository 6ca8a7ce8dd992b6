package scalebar

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/image/font/gofont/goregular"
)

// zeissPanel is a frame with a white panel whose bar is no longer than a few letters.
func zeissPanel(t *testing.T) Image {
	c := newCanvas(t, 1024, 768, 110, 20, 3)
	c.rect(0, 690, 1024, 768, 0)
	c.rect(2, 692, 1022, 766, 255)
	c.rect(40, 745, 60, 746, 100)
	for _, x := range []int{40, 59} {
		c.rect(x, 740, x+1, 751, 100)
	}
	c.text("200 nm", 30, 725, 22, goregular.TTF, 0)
	c.text("EHT = 5.00 kV   WD = 6.8 mm   Mag = 50.00 K X", 300, 735, 22, goregular.TTF, 0)
	return c.image()
}

func TestReadRowsFindsTheShortBarOfAPanel(t *testing.T) {
	img := zeissPanel(t)
	y0, y1, err := Rows(img)
	require.NoError(t, err)
	require.Zero(t, y0)
	require.InDelta(t, 690, y1, 2)
	r, err := ReadRows(img, y1, img.Height, true)
	require.NoError(t, err)
	require.NotNil(t, r.Bar, r.Reason)
	require.NotNil(t, r.Bar.Label, r.Reason)
	require.InEpsilon(t, 200, r.Bar.Label.Nanometres(), 1e-9)
	require.InDelta(t, 40.5, r.Bar.X0, 0.3)
	require.InDelta(t, 59.5, r.Bar.X1, 0.3)
	require.InDelta(t, 745.5, r.Bar.Y0, 1)
	require.Greater(t, r.Bar.TextBox.Y0, 700.0)
}

func TestReadRowsTakesNothingBeyondThem(t *testing.T) {
	c := newCanvas(t, 640, 480, 120, 10, 4)
	c.rect(400, 420, 500, 428, 255)
	c.text("100 nm", 400, 412, 26, goregular.TTF, 255)
	r, err := ReadRows(c.image(), 0, 300, false)
	require.NoError(t, err)
	require.Zero(t, r.Bar.NmPerPx())
	r, err = ReadRows(c.image(), 300, 480, false)
	require.NoError(t, err)
	require.InEpsilon(t, 1, r.Bar.NmPerPx(), 0.005)
	require.InDelta(t, 420, r.Bar.Box.Y0, 1)
	_, err = ReadRows(Image{}, 0, 1, true)
	require.Error(t, err)
}

func TestCoverTakesBarAndLabelAndNotMuchMore(t *testing.T) {
	for _, d := range drawings(t) {
		r, err := Read(d.image)
		require.NoError(t, err)
		require.NotNil(t, r.Bar, d.name)
		boxes := Cover(d.image, r.Bar)
		require.NotEmpty(t, boxes, d.name)
		var area float64
		inside := func(p Rect) bool {
			for _, b := range boxes {
				if p.X0 >= b.X0-0.5 && p.Y0 >= b.Y0 && p.X1 <= b.X1+0.5 && p.Y1 <= b.Y1 {
					return true
				}
			}
			return false
		}
		for _, b := range boxes {
			area += b.area()
			require.True(t, b.X0 >= 0 && b.Y0 >= 0 && b.X1 <= float64(d.image.Width) && b.Y1 <= float64(d.image.Height), d.name)
		}
		require.True(t, inside(r.Bar.Box), "%s: bar %v in %v", d.name, r.Bar.Box, boxes)
		require.True(t, inside(*r.Bar.TextBox), "%s: text %v in %v", d.name, *r.Bar.TextBox, boxes)
		require.Less(t, area, 0.16*float64(d.image.Width*d.image.Height), d.name)
	}
	require.Empty(t, Cover(Image{}, nil))
}

func TestCoverTakesTheWholeCaptionOnThePicture(t *testing.T) {
	c := newCanvas(t, 800, 600, 100, 15, 6)
	c.text("5.0kV", 30, 580, 30, goregular.TTF, 255)
	c.text("x50,000", 200, 580, 30, goregular.TTF, 255)
	c.rect(450, 545, 600, 549, 255)
	c.text("500 nm", 470, 580, 30, goregular.TTF, 255)
	for x := 620; x < 780; x += 40 { // particles as high as the text, but not of its line
		c.rect(x, 548, x+26, 572, 255)
	}
	r, err := Read(c.image())
	require.NoError(t, err)
	require.NotNil(t, r.Bar.Label, r.Reason)
	boxes := Cover(c.image(), r.Bar)
	covered := func(x, y float64) bool {
		for _, b := range boxes {
			if x >= b.X0 && x < b.X1 && y >= b.Y0 && y < b.Y1 {
				return true
			}
		}
		return false
	}
	for _, x := range []float64{35, 100, 205, 300, 455, 595, 475, 555} {
		require.True(t, covered(x, 570) || covered(x, 547), "%g in %v", x, boxes)
	}
	for x := 620.0; x < 780; x += 40 {
		require.False(t, covered(x+13, 560), "%v", boxes)
	}
}
