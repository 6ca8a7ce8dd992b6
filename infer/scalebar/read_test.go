package scalebar

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/image/font/gofont/goregular"
)

func TestReadMeasuresAndReadsEveryStyle(t *testing.T) {
	for _, d := range drawings(t) {
		t.Run(d.name, func(t *testing.T) {
			r, err := Read(d.image)
			require.NoError(t, err)
			require.NotNil(t, r.Bar, r.Reason)
			require.InDelta(t, d.x0, r.Bar.X0, 0.3)
			require.InDelta(t, d.x1, r.Bar.X1, 0.3)
			require.InDelta(t, d.x1-d.x0, r.Bar.LengthPx, 0.4)
			require.Equal(t, d.style, r.Bar.Style)
			require.NotNil(t, r.Bar.Label, r.Reason)
			require.InEpsilon(t, d.nm, r.Bar.Label.Nanometres(), 1e-9, r.Bar.Label.Text)
			require.InEpsilon(t, d.nm/(d.x1-d.x0), r.Bar.NmPerPx(), 0.005)
			require.NotNil(t, r.Bar.TextBox)
			require.Empty(t, r.Reason)
		})
	}
}

func TestReadIsTheSameEveryTimeAndConcurrently(t *testing.T) {
	d := drawings(t)[0]
	want, err := Read(d.image)
	require.NoError(t, err)
	var wg sync.WaitGroup
	got := make([]Result, 4)
	for k := range got {
		wg.Go(func() { got[k], _ = Read(d.image) })
	}
	wg.Wait()
	for _, g := range got {
		require.Equal(t, want, g)
	}
}

func TestReadTakes16Bits(t *testing.T) {
	d := drawings(t)[1]
	img := Image{Width: d.image.Width, Height: d.image.Height, Gray16: make([]uint16, len(d.image.Gray8))}
	for k, v := range d.image.Gray8 {
		img.Gray16[k] = 1000 + uint16(v)*9
	}
	r, err := Read(img)
	require.NoError(t, err)
	require.NotNil(t, r.Bar)
	require.InDelta(t, d.x1-d.x0, r.Bar.LengthPx, 0.2)
	require.InEpsilon(t, d.nm/(d.x1-d.x0), r.Bar.NmPerPx(), 0.005)
}

func TestReadReducesLargeFrames(t *testing.T) {
	c := newCanvas(t, 5600, 3000, 100, 10, 3)
	c.rect(4000, 2700, 5000, 2730, 255)
	c.text("20 µm", 4350, 2670, 110, goregular.TTF, 255)
	r, err := Read(c.image())
	require.NoError(t, err)
	require.NotNil(t, r.Bar, r.Reason)
	require.InDelta(t, 4000, r.Bar.X0, 0.3)
	require.InDelta(t, 5000, r.Bar.X1, 0.3)
	require.InEpsilon(t, 20, r.Bar.NmPerPx(), 0.005)
}

func TestReadNeverInventsAScale(t *testing.T) {
	for seed := range uint64(6) {
		r, err := Read(newCanvas(t, 400, 400, 120, float64(10+10*seed), seed).image())
		require.NoError(t, err)
		require.Zero(t, r.Bar.NmPerPx(), "noise")
		require.NotEmpty(t, r.Reason)
	}
	for _, text := range []string{"", "5 1/nm", "WD 6.8 mm", "(a)", "x5.00k", "10.0kV", "123 nm"} {
		c := newCanvas(t, 512, 512, 110, 12, 1)
		c.rect(320, 470, 470, 478, 255)
		c.text(text, 330, 460, 26, goregular.TTF, 255)
		r, err := Read(c.image())
		require.NoError(t, err)
		require.NotNil(t, r.Bar, text)
		require.InDelta(t, 150, r.Bar.LengthPx, 0.2, text)
		require.Nil(t, r.Bar.Label, text)
		require.NotEmpty(t, r.Reason, text)
	}
	c := newCanvas(t, 512, 512, 110, 12, 1)
	c.text("200 nm", 345, 460, 28, goregular.TTF, 255)
	r, err := Read(c.image())
	require.NoError(t, err)
	require.Zero(t, r.Bar.NmPerPx(), "text without a bar")
}

func TestReadRefusesWhatIsNoImage(t *testing.T) {
	for name, img := range map[string]Image{
		"empty":      {},
		"short":      {Width: 64, Height: 64, Gray8: make([]uint8, 10)},
		"both":       {Width: 64, Height: 64, Gray8: make([]uint8, 4096), Gray16: make([]uint16, 4096)},
		"no pixels":  {Width: 64, Height: 64},
		"too large":  {Width: 1 << 30, Height: 1 << 30, Gray8: make([]uint8, 10)},
		"negative":   {Width: -5, Height: 64, Gray8: make([]uint8, 10)},
		"too narrow": {Width: 8, Height: 64, Gray8: make([]uint8, 512)},
	} {
		_, err := Read(img)
		require.Error(t, err, name)
	}
}

func TestParseLabelKeepsTheGrammar(t *testing.T) {
	for s, nm := range map[string]float64{
		"200nm": 200, "0.5um": 500, "0,5um": 500, "1.00um": 1000, "1,000nm": 1000, "2.0um": 2000, "50.0um": 50000,
		"5A": 0.5, "500pm": 0.5, "1mm": 1e6, "12nm": 12, "2.5nm": 2.5, "7.5um": 7500,
	} {
		l, ok := ParseLabel(s)
		require.True(t, ok, s)
		require.InEpsilon(t, nm, l.Nanometres(), 1e-9, s)
	}
	for _, s := range []string{"", "nm", "200", "51/nm", "1.000um", "00nm", "01nm", "6.8mm", "123nm", "5nmm", "5.nm",
		".5um", "1.2.3nm", "5 nm", "99999nm", "5kV", "0nm", "0.0um", "100mm", "5u", "2?nm", "-5nm"} {
		_, ok := ParseLabel(s)
		require.False(t, ok, s)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(uint8(40), uint8(40), []byte{1, 2, 3, 250, 250, 250, 0, 0}, false)
	f.Add(uint8(200), uint8(64), []byte{0, 255}, true)
	f.Fuzz(func(t *testing.T, w, h uint8, data []byte, wide bool) {
		if len(data) == 0 {
			return
		}
		img := Image{Width: int(w), Height: int(h)}
		n := img.Width * img.Height
		if wide {
			img.Gray16 = make([]uint16, n)
		} else {
			img.Gray8 = make([]uint8, n)
		}
		for k := range n {
			// Repeated rows make bars; the rest is as given.
			v := data[(k/7+k/img.Width)%len(data)]
			if wide {
				img.Gray16[k] = uint16(v) << 7
			} else {
				img.Gray8[k] = v
			}
		}
		y0, y1, err := Rows(img)
		if err == nil && (y0 < 0 || y1 > img.Height || y1-y0 < img.Height/2) {
			t.Fatalf("rows %d..%d of %d", y0, y1, img.Height)
		}
		if err == nil {
			if _, err := ReadRows(img, y1, img.Height, true); err != nil {
				t.Fatal(err)
			}
		}
		r, err := Read(img)
		if err != nil || r.Bar == nil {
			return
		}
		for _, c := range Cover(img, r.Bar) {
			if c.X0 < 0 || c.Y0 < 0 || c.X1 > float64(img.Width) || c.Y1 > float64(img.Height) {
				t.Fatalf("box %v in %dx%d", c, img.Width, img.Height)
			}
		}
		if b := r.Bar; !(b.X1 > b.X0) || b.X0 < -1 || b.X1 > float64(img.Width)+1 || b.Confidence < 0 || b.Confidence > 1.001 {
			t.Fatalf("bar %+v in %dx%d", *b, img.Width, img.Height)
		}
	})
}

func FuzzParseLabel(f *testing.F) {
	for _, s := range []string{"200nm", "1,000nm", "0.5um", "5 1/nm", "9999999999mm"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if l, ok := ParseLabel(s); ok {
			require.Positive(t, l.Nanometres())
			require.True(t, viable(s), s)
		}
	})
}
