package scalebar

import (
	"image"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/image/font/gofont/goregular"
)

// panelled is noise with a panel in its rows from top on.
func panelled(t *testing.T, w, h, top int, ground uint8) Image {
	c := newCanvas(t, w, h, 120, 30, 1)
	c.rect(0, top, w, h, ground)
	ink := uint8(255)
	if ground > 127 {
		ink = 0
	}
	c.text("15.0 kV  WD 8.2 mm  SE(UL)", 10, h-12, 20, goregular.TTF, ink)
	c.rect(w-120, h-16, w-20, h-12, ink)
	return c.image()
}

func TestRowsEndAtThePanel(t *testing.T) {
	for _, ground := range []uint8{0, 70, 255} {
		img := panelled(t, 512, 400, 360, ground)
		y0, y1, err := Rows(img)
		require.NoError(t, err)
		require.Equal(t, [2]int{0, 360}, [2]int{y0, y1}, "ground %d", ground)
		upside := Image{Width: img.Width, Height: img.Height}
		for y := range img.Height {
			upside.Gray8 = append(upside.Gray8, img.Gray8[(img.Height-1-y)*img.Width:][:img.Width]...)
		}
		y0, y1, err = Rows(upside)
		require.NoError(t, err)
		require.Equal(t, [2]int{40, 400}, [2]int{y0, y1}, "ground %d, at the top", ground)
		deep := Image{Width: img.Width, Height: img.Height}
		for _, v := range img.Gray8 {
			deep.Gray16 = append(deep.Gray16, 300+12*uint16(v))
		}
		y0, y1, err = Rows(deep)
		require.NoError(t, err)
		require.Equal(t, [2]int{0, 360}, [2]int{y0, y1}, "ground %d, 16 bits", ground)
	}
}

func TestRowsDoNotDependOnWhatThePanelSays(t *testing.T) {
	img := panelled(t, 640, 512, 470, 0)
	for y := 470; y < 512; y++ { // nothing at all
		clear(img.Gray8[y*640:][:640])
	}
	for _, level := range []uint8{0, 255} {
		for k := range img.Gray8[470*640:] {
			img.Gray8[470*640+k] = level
		}
		_, y1, err := Rows(img)
		require.NoError(t, err)
		require.Equal(t, 470, y1)
	}
}

func TestRowsAreAllWithoutAPanel(t *testing.T) {
	flat := newCanvas(t, 512, 400, 90, 0, 1)
	for x := 20; x < 500; x += 60 {
		flat.rect(x, 100, x+40, 340, 220) // bodies that end in one row, on even ground
	}
	dark := newCanvas(t, 512, 400, 0, 0, 1)
	dark.rect(100, 100, 300, 300, 200)
	label := newCanvas(t, 512, 400, 120, 20, 1)
	label.rect(360, 340, 500, 390, 255)
	label.text("200 nm", 380, 370, 24, goregular.TTF, 0)
	for name, c := range map[string]canvas{
		"noise": newCanvas(t, 512, 400, 120, 20, 1), "even": flat, "dark": dark, "a label's plate": label,
		"constant": newCanvas(t, 512, 400, 120, 0, 1),
	} {
		y0, y1, err := Rows(c.image())
		require.NoError(t, err)
		require.Equal(t, [2]int{0, 400}, [2]int{y0, y1}, name)
	}
	_, _, err := Rows(Image{Width: 64, Height: 64})
	require.Error(t, err)
}

func TestRowsOfVendorFramesAreTheirPictures(t *testing.T) {
	data := sharedData(t)
	for _, f := range vendorFrames(t, data) {
		img := readTIFF(t, f.file)
		_, y1, err := Rows(img)
		require.NoError(t, err)
		want := f.top
		if filepath.Base(f.file) == "jeol_4700f.tif" { // its text lies on the picture
			want = img.Height
		}
		require.InDelta(t, want, y1, 0.025*float64(img.Height), filepath.Base(f.file))
	}
}

// Hand outlines do not reach into what is taken for a panel.
func TestRowsKeepAllParticles(t *testing.T) {
	data := sharedData(t)
	paths, err := filepath.Glob(filepath.Join(data, "segmentation", "*", "img", "*.png"))
	require.NoError(t, err)
	found := 0
	for k, path := range paths {
		if k%3 != 0 && testing.Short() {
			continue
		}
		img := readPNG(t, path)
		y0, y1, err := Rows(img)
		require.NoError(t, err)
		if y0 == 0 && y1 == img.Height {
			continue
		}
		found++
		f, err := os.Open(filepath.Join(filepath.Dir(filepath.Dir(path)), "lab", filepath.Base(path)))
		require.NoError(t, err)
		labels, _, err := image.Decode(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		inside := 0
		for y := range img.Height {
			for x := range img.Width {
				if r, _, _, _ := labels.At(x, y).RGBA(); r != 0 && (y < y0 || y >= y1) {
					inside++
				}
			}
		}
		require.LessOrEqual(t, inside, 40, "%s: %d..%d of %d", filepath.Base(path), y0, y1, img.Height)
	}
	t.Logf("%d of %d images have a panel", found, len(paths))
	require.NotZero(t, found)
}
