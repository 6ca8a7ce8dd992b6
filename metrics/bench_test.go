package metrics

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// grains draws about n separate lobed objects on a jittered grid.
func grains(side, n int) []int32 {
	rng := rand.New(rand.NewPCG(17, 18))
	labels := make([]int32, side*side)
	across := 1
	for across*across < n {
		across++
	}
	pitch := float64(side) / float64(across)
	for id := range n {
		cx, cy := (float64(id%across)+0.5)*pitch, (float64(id/across)+0.5)*pitch
		r := pitch * (0.2 + 0.15*rng.Float64())
		disc(labels, side, side, cx, cy, r, int32(id+1))
		disc(labels, side, side, cx+0.4*r, cy-0.3*r, 0.8*r, int32(id+1))
	}
	return labels
}

func benchmarkMeasure(b *testing.B, side, n int) {
	labels := grains(side, n)
	b.SetBytes(int64(4 * len(labels)))
	b.ReportAllocs()
	for b.Loop() {
		objects, err := Measure(labels, side, side, Options{})
		require.NoError(b, err)
		require.Len(b, objects, n)
	}
}

func BenchmarkMeasure1024(b *testing.B) { benchmarkMeasure(b, 1024, 300) }

func BenchmarkMeasure8192(b *testing.B) {
	if testing.Short() {
		b.Skip("needs 270 MB")
	}
	benchmarkMeasure(b, 8192, 10_000)
}

func BenchmarkMeasure8192Objects100000(b *testing.B) {
	if testing.Short() {
		b.Skip("needs 270 MB")
	}
	benchmarkMeasure(b, 8192, 100_000)
}

func BenchmarkMeasure8192OneObject(b *testing.B) {
	if testing.Short() {
		b.Skip("needs 270 MB")
	}
	labels := make([]int32, 8192*8192)
	for i := range labels {
		labels[i] = 1
	}
	for b.Loop() {
		_, err := Measure(labels, 8192, 8192, Options{})
		require.NoError(b, err)
	}
}

// One snake of single-pixel width through the whole frame: all boundary.
func BenchmarkMeasure8192Snake(b *testing.B) {
	if testing.Short() {
		b.Skip("needs 270 MB")
	}
	const side = 8192
	labels := make([]int32, side*side)
	for i := range labels {
		x, y := i%side, i/side
		if x%2 == 0 || y == (x/2%2)*(side-1) {
			labels[i] = 1
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		_, err := Measure(labels, side, side, Options{})
		require.NoError(b, err)
	}
}

func manyObjects(b *testing.B) []Object {
	labels := grains(3000, 10_000)
	objects, err := Measure(labels, 3000, 3000, Options{})
	require.NoError(b, err)
	return objects
}

func BenchmarkSummarise10000(b *testing.B) {
	objects := manyObjects(b)
	for b.Loop() {
		Summarise(objects, Options{NmPerPx: 2}, 3000, 3000)
	}
}

func BenchmarkWriteCSV10000(b *testing.B) {
	objects := manyObjects(b)
	var buf bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		buf.Reset()
		require.NoError(b, WriteCSV(&buf, objects, 2))
	}
	b.SetBytes(int64(buf.Len()))
}

// micrograph draws separate grains, 60 grey levels brighter than the background, with edges of 2 px and noise.
func micrograph(side, n int, noise float64) []uint8 {
	rng := rand.New(rand.NewPCG(19, 20))
	labels := grains(side, n)
	gray := make([]uint8, side*side)
	for i, id := range labels {
		v := 80 + noise*rng.NormFloat64()
		for _, at := range []int{i, i - 1, i - side} {
			if at >= 0 && labels[at] > 0 {
				v += 20
			}
		}
		if id > 0 && id%3 == 0 {
			v += 10
		}
		gray[i] = uint8(min(max(v, 0), 255))
	}
	return gray
}

func benchmarkLook(b *testing.B, side, n int, gray16 bool) {
	gray := micrograph(side, n, 8)
	var wide []uint16
	if gray16 {
		wide = make([]uint16, len(gray))
		for i, g := range gray {
			wide[i] = uint16(g) * 200
		}
		gray = nil
	}
	b.SetBytes(int64(len(gray) + 2*len(wide)))
	b.ReportAllocs()
	for b.Loop() {
		Look(gray, wide, side, side, Rect{})
	}
}

func BenchmarkLook1024(b *testing.B) { benchmarkLook(b, 1024, 300, false) }

func BenchmarkLook1024Gray16(b *testing.B) { benchmarkLook(b, 1024, 300, true) }

func BenchmarkLook8192(b *testing.B) {
	if testing.Short() {
		b.Skip("needs 330 MB")
	}
	benchmarkLook(b, 8192, 10_000, false)
}

func BenchmarkLook8192Gray16(b *testing.B) {
	if testing.Short() {
		b.Skip("needs 460 MB")
	}
	benchmarkLook(b, 8192, 10_000, true)
}

func BenchmarkPrint1024(b *testing.B) {
	gray := micrograph(1024, 300, 8)
	b.ReportAllocs()
	for b.Loop() {
		PrintOf(gray, nil, 1024, 1024, Rect{})
	}
}

func BenchmarkPrint8192(b *testing.B) {
	if testing.Short() {
		b.Skip("needs 330 MB")
	}
	gray := micrograph(8192, 10_000, 8)
	b.SetBytes(int64(len(gray)))
	b.ReportAllocs()
	for b.Loop() {
		PrintOf(gray, nil, 8192, 8192, Rect{})
	}
}
