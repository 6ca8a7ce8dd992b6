package scalebar

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Textures that look like bars or text everywhere must not take much longer than a micrograph.
func TestReadIsQuickOnTexture(t *testing.T) {
	const side = 1600
	r := rand.New(rand.NewPCG(1, 2))
	for name, pixel := range map[string]func(x, y int) uint8{
		"noise":   func(int, int) uint8 { return uint8(r.IntN(256)) },
		"stripes": func(_, y int) uint8 { return uint8(y / 3 % 2 * 255) },
		"dashes":  func(x, y int) uint8 { return uint8((y/3%2)*(x/40+y/6)%2) * 255 },
		"blobs":   func(x, y int) uint8 { return uint8((x/7*31+y/9*17)%5/3) * 255 },
	} {
		img := Image{Width: side, Height: side, Gray8: make([]uint8, side*side)}
		for k := range img.Gray8 {
			img.Gray8[k] = pixel(k%side, k/side)
		}
		start := time.Now()
		res, err := Read(img)
		require.NoError(t, err)
		require.Zero(t, res.Bar.NmPerPx(), name)
		t.Logf("%s: %v", name, time.Since(start).Round(time.Millisecond))
		require.Less(t, time.Since(start), 10*time.Second, name)
	}
}
