package drift

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// sharp is a frame of the size with texture of about 2 px, shifted.
func sharp(w, h, dx, dy int, seed uint64) Image {
	rng := rand.New(rand.NewPCG(seed, 1))
	base := rand.New(rand.NewPCG(7, 7))
	v := make([]int32, 512*512)
	for i := range v {
		v[i] = base.Int32N(60)
	}
	img := Image{Width: w, Height: h, Gray8: make([]uint8, w*h)}
	for y := range h {
		for x := range w {
			a, b := (x-dx+4096)/2, (y-dy+4096)/2
			hash := uint32(a)*2654435761 ^ uint32(b)*2246822519
			hash ^= hash >> 15
			img.Gray8[y*w+x] = uint8(60 + v[hash%uint32(len(v))] + rng.Int32N(30))
		}
	}
	return img
}

func BenchmarkMeasure(b *testing.B) {
	for _, side := range []int{256, 512, 1024, 2048, 8192} {
		b.Run(fmt.Sprintf("%dx%d", side, side), func(b *testing.B) {
			ref, err := NewReference(sharp(side, side, 0, 0, 1), Options{})
			if err != nil {
				b.Fatal(err)
			}
			next := sharp(side, side, 5, -3, 2)
			b.ReportAllocs()
			for b.Loop() {
				s, err := ref.Measure(next)
				if err != nil || !s.Success {
					b.Fatal(s, err)
				}
			}
		})
	}
}

func BenchmarkNewReference(b *testing.B) {
	img := sharp(1024, 1024, 0, 0, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewReference(img, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
