package infer

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPackedGreyValuesAreKnownToTheFineStep(t *testing.T) {
	const w, h = 6, 4
	rng := rand.New(rand.NewPCG(1, 1))
	image := make([]float32, w*h)
	for i := range image {
		image[i] = float32(rng.Float64()*7.9 - 3.1)
	}
	packed := make([]uint8, 2*w*h)
	pack(packed, image, w, h)
	for y := range h {
		for x := range w {
			block := packed[(y/2*w/2+x/2)*packedIn:][:packedIn]
			at := y%2*2 + x%2
			got := (float64(block[at])-packedZero)*finePerCoarse*fineStep + (float64(block[at+4])-packedZero)*fineStep
			require.InDelta(t, image[y*w+x], got, fineStep/2+1e-6)
		}
	}
}

func TestPackedGreyValuesEndAtTheRange(t *testing.T) {
	value := func(v float32) float64 {
		c, f := split(v)
		return (float64(c)-packedZero)*finePerCoarse*fineStep + (float64(f)-packedZero)*fineStep
	}
	inf := float32(math.Inf(1))
	for _, v := range []float32{-inf, -100, float32(math.NaN())} {
		require.InDelta(t, -3.1875, value(v), 1e-9, "%v", v)
	}
	for _, v := range []float32{inf, 100, 4.9} {
		require.InDelta(t, 4.78125, value(v), 1e-9, "%v", v)
	}
	require.Zero(t, value(0))
}

func TestUnpackPutsEveryChannelInItsPlane(t *testing.T) {
	const w, h = 4, 6
	blocks := make([]float32, w/2*h/2*packedOut)
	for i := range blocks {
		blocks[i] = float32(i)
	}
	planes := make([]float32, Channels*w*h)
	unpack(planes, blocks, w, h)
	for c := range Channels {
		for y := range h {
			for x := range w {
				want := (y/2*w/2+x/2)*packedOut + 4*c + y%2*2 + x%2
				require.EqualValues(t, want, planes[(c*h+y)*w+x], "plane %d (%d, %d)", c, y, x)
			}
		}
	}
}

func BenchmarkPack1024(b *testing.B) {
	const side = 1024
	image, packed := make([]float32, side*side), make([]uint8, 2*side*side)
	for i := range image {
		image[i] = float32(i%997) / 400
	}
	b.SetBytes(side * side)
	b.ReportAllocs()
	for b.Loop() {
		pack(packed, image, side, side)
	}
}

func BenchmarkUnpack1024(b *testing.B) {
	const side = 1024
	blocks, planes := make([]float32, Channels*side*side), make([]float32, Channels*side*side)
	b.SetBytes(side * side)
	b.ReportAllocs()
	for b.Loop() {
		unpack(planes, blocks, side, side)
	}
}
