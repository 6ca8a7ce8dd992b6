package reporting

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/metrics"
)

// squares puts squares of the given side at (x, y) into a label image, numbered from 1.
func squares(width, height, side int, at ...[2]int) []int32 {
	labels := make([]int32, width*height)
	for i, p := range at {
		for y := p[1]; y < p[1]+side; y++ {
			for x := p[0]; x < p[0]+side; x++ {
				labels[y*width+x] = int32(i + 1)
			}
		}
	}
	return labels
}

func objectsOf(t *testing.T, labels []int32, w, h int) []metrics.Object {
	t.Helper()
	objects, err := metrics.Measure(labels, w, h, metrics.Options{})
	require.NoError(t, err)
	return objects
}

func isColoured(c color.Color) bool {
	r, g, b, _ := c.RGBA()
	return r != g || g != b
}

func TestOutlinesAreColouredAndTheRestIsThePicture(t *testing.T) {
	const w, h = 100, 80
	labels := squares(w, h, 20, [2]int{10, 10}, [2]int{30, 10}, [2]int{60, 50}) // 1 and 2 touch
	gray := make([]uint8, w*h)
	for i := range gray {
		gray[i] = uint8(50 + i%w) // 50..149
	}
	img := DrawOverlay(OverlayOptions{Labels: labels, Width: w, Height: h, Gray8: gray, Objects: objectsOf(t, labels, w, h)}).Image
	require.Equal(t, image.Rect(0, 0, w, h), img.Rect)
	for _, p := range [][2]int{{10, 10}, {29, 15}, {30, 15}, {20, 29}, {60, 60}, {79, 69}} {
		require.True(t, isColoured(img.At(p[0], p[1])), "outline at %v", p)
	}
	for _, p := range [][2]int{{0, 0}, {9, 15}, {20, 20}, {50, 15}, {70, 60}, {99, 79}} {
		require.False(t, isColoured(img.At(p[0], p[1])), "no outline at %v", p)
	}
	require.NotEqual(t, img.At(29, 15), img.At(30, 15), "neighbours differ")
	require.Less(t, img.ColorIndexAt(5, 40), img.ColorIndexAt(50, 40))
	require.Equal(t, uint8(0), img.ColorIndexAt(0, 40), "below the 1st percentile: black")
	require.Equal(t, uint8(grays-1), img.ColorIndexAt(99, 40), "above the 99th: white")
}

func TestEdgeObjectsAreDashed(t *testing.T) {
	const w, h = 100, 80
	labels := squares(w, h, 30, [2]int{0, 10}, [2]int{50, 20})
	img := DrawOverlay(OverlayOptions{Labels: labels, Width: w, Height: h, Gray8: make([]uint8, w*h), Objects: objectsOf(t, labels, w, h)}).Image
	coloured := func(y, x0, x1 int) (n int) {
		for x := x0; x < x1; x++ {
			if isColoured(img.At(x, y)) {
				n++
			}
		}
		return n
	}
	require.Equal(t, 30, coloured(20, 50, 80), "a whole object's outline is solid")
	dashes := coloured(10, 0, 30)
	require.Greater(t, dashes, 10)
	require.Less(t, dashes, 20)
}

func TestNeighboursNeverShareAColour(t *testing.T) {
	const w, h, cell = 200, 200, 10 // a brick wall: every brick has six neighbours
	labels := make([]int32, w*h)
	for y := range h {
		for x := range w {
			row := y / cell
			labels[y*w+x] = int32(row*(w/cell+1) + (x+row%2*cell/2)/cell + 1)
		}
	}
	labels = compact(labels)
	pairs := adjacent(labels, w, h, 3)
	top := 0
	for _, l := range labels {
		top = max(top, int(l))
	}
	colours := colourNeighbours(pairs, top)
	require.Greater(t, len(pairs), 2*top)
	for _, p := range pairs {
		require.NotEqual(t, colours[p[0]], colours[p[1]], "%v", p)
	}
}

func TestOutsideTheAnalysedAreaIsDimmedAndBoxesAreMarked(t *testing.T) {
	const w, h = 120, 100
	gray := bytes.Repeat([]uint8{40, 200}, w*h/2)
	bar := metrics.Rect{X0: 20, Y0: 88, X1: 70, Y1: 91}
	img := DrawOverlay(OverlayOptions{
		Labels: make([]int32, w*h), Width: w, Height: h, Gray8: gray,
		Analysed: metrics.Rect{X1: w, Y1: 80}, Bar: &bar,
		TextBoxes: []metrics.Rect{{X0: 80, Y0: 86, X1: 110, Y1: 94}},
	}).Image
	require.Equal(t, uint8(grays-1), img.ColorIndexAt(51, 40))
	require.Less(t, img.ColorIndexAt(51, 96), uint8(grays-1))
	require.Equal(t, uint8(indexWhite), img.ColorIndexAt(0, 79), "border of the analysed area")
	require.Equal(t, uint8(indexBox), img.ColorIndexAt(17, 90))
	require.Equal(t, uint8(indexBox), img.ColorIndexAt(72, 90))
	var dashed bool
	for x := 78; x < 112; x++ {
		dashed = dashed || img.ColorIndexAt(x, 84) == indexBlack
	}
	require.True(t, dashed)
}

func TestLargeFramesAreReducedAndSaySo(t *testing.T) {
	const w, h = 9000, 70
	labels := squares(w, h, 60, [2]int{600, 5})
	gray := make([]uint16, w*h)
	for i := range gray {
		gray[i] = uint16(i % w * 7)
	}
	o := DrawOverlay(OverlayOptions{Labels: labels, Width: w, Height: h, Gray16: gray, Objects: objectsOf(t, labels, w, h)})
	require.Equal(t, 3, o.Factor)
	require.Equal(t, image.Rect(0, 0, 3000, 24), o.Image.Rect)
	require.True(t, isColoured(o.Image.At(200, 10)))
	var buf bytes.Buffer
	require.NoError(t, o.WritePNG(&buf))
	require.Contains(t, chunks(t, buf.Bytes())["tEXt"], "reduced 3:1")
	img, err := png.Decode(&buf)
	require.NoError(t, err)
	require.Equal(t, o.Image.Pix, img.(*image.Paletted).Pix)
}

// chunks reads a PNG's chunks, checking their order and their checksums by decoding elsewhere.
func chunks(t *testing.T, data []byte) map[string]string {
	t.Helper()
	out := map[string]string{}
	for at := 8; at < len(data); {
		n := int(binary.BigEndian.Uint32(data[at:]))
		out[string(data[at+4:at+8])] += string(data[at+8 : at+8+n])
		at += 12 + n
	}
	return out
}

func TestOddFramesAreDrawn(t *testing.T) {
	for _, c := range []struct {
		name string
		opts OverlayOptions
	}{
		{"no picture", OverlayOptions{Labels: make([]int32, 64*64), Width: 64, Height: 64}},
		{"black", OverlayOptions{Labels: make([]int32, 64*64), Width: 64, Height: 64, Gray8: make([]uint8, 64*64)}},
		{"one pixel", OverlayOptions{Labels: []int32{1}, Width: 1, Height: 1, Gray16: []uint16{7}, Objects: []metrics.Object{{Label: 1, Area: 1}}}},
		{"unmeasured labels", OverlayOptions{Labels: []int32{1, 2, 3, -4}, Width: 2, Height: 2, Objects: []metrics.Object{{Label: 1}, {Label: 1 << 30}}}},
		{"box off the frame", OverlayOptions{
			Labels: make([]int32, 64*64), Width: 64, Height: 64,
			TextBoxes: []metrics.Rect{{X0: -90, Y0: 60, X1: 900, Y1: 900}, {X0: 70, Y0: 70, X1: 80, Y1: 80}},
		}},
		{"nothing analysed", OverlayOptions{
			Labels: make([]int32, 64*64), Width: 64, Height: 64, Gray8: make([]uint8, 64*64),
			Analysed: metrics.Rect{X0: 5, Y0: 5, X1: 5, Y1: 9},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var buf bytes.Buffer
			require.NoError(t, DrawOverlay(c.opts).WritePNG(&buf))
			_, err := png.Decode(&buf)
			require.NoError(t, err)
		})
	}
}

func TestThumbnailsKeepThinOutlines(t *testing.T) {
	const w, h = 1200, 900
	labels := squares(w, h, 300, [2]int{300, 300})
	o := DrawOverlay(OverlayOptions{Labels: labels, Width: w, Height: h, Gray8: make([]uint8, w*h), Objects: objectsOf(t, labels, w, h)})
	small := o.Thumbnail(480)
	require.Equal(t, image.Rect(0, 0, 480, 360), small.Rect)
	strong := 0
	for x := 130; x < 230; x++ {
		for y := 118; y < 123; y++ {
			if c := small.RGBAAt(x, y); max(c.R, c.G, c.B)-min(c.R, c.G, c.B) > 60 {
				strong++
			}
		}
	}
	require.GreaterOrEqual(t, strong, 100)

	var buf bytes.Buffer
	require.NoError(t, o.WritePNG(&buf))
	uri, tw, th, err := thumbnailURI(bytes.NewReader(buf.Bytes()), ThumbnailPx)
	require.NoError(t, err)
	require.Equal(t, [2]int{480, 360}, [2]int{tw, th})
	require.True(t, strings.HasPrefix(uri, "data:image/jpeg;base64,"))
	_, _, _, err = thumbnailURI(strings.NewReader("no picture"), ThumbnailPx)
	require.Error(t, err)
}

func BenchmarkOverlay(b *testing.B) {
	for _, c := range []struct {
		name    string
		side, n int
	}{{"1K-300", 1024, 300}, {"8K-10000", 8192, 10000}} {
		b.Run(c.name, func(b *testing.B) {
			labels, gray := blobs(c.side, c.side, c.n, 1)
			objects, err := metrics.Measure(labels, c.side, c.side, metrics.Options{})
			require.NoError(b, err)
			opts := OverlayOptions{Labels: labels, Width: c.side, Height: c.side, Gray8: gray, Objects: objects}
			b.SetBytes(int64(c.side * c.side))
			for b.Loop() {
				var buf bytes.Buffer
				require.NoError(b, DrawOverlay(opts).WritePNG(&buf))
			}
		})
	}
}
