package tiff

import (
	"bytes"
	"io"
	"testing"
)

// discs labels a frame with touching blocks, as a segmentation of many particles does.
func discs(w, h int) []int32 {
	labels := make([]int32, w*h)
	for i := range labels {
		x, y := i%w, i/w
		dx, dy := x%40-20, y%40-20
		if dx*dx+dy*dy < 300 {
			labels[i] = int32(y/40*(w/40+1) + x/40 + 1)
		}
	}
	return labels
}

func BenchmarkEncodeLabels8K(b *testing.B) {
	const side = 8192
	labels := discs(side, side)
	b.SetBytes(2 * side * side)
	for b.Loop() {
		if err := EncodeLabels(io.Discard, labels, side, side); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	const side = 4096
	for _, c := range []struct {
		name string
		opts GrayOptions
	}{{"Plain", GrayOptions{}}, {"Deflate", GrayOptions{Deflate: true}}} {
		b.Run(c.name, func(b *testing.B) {
			pix := make([]uint16, side*side)
			for i, v := range discs(side, side) {
				pix[i] = uint16(v*31 + int32(i%251))
			}
			var buf bytes.Buffer
			if err := EncodeGray16(&buf, pix, side, side, c.opts); err != nil {
				b.Fatal(err)
			}
			r := raster(b, buf.Bytes())
			b.SetBytes(2 * side * side)
			b.ReportAllocs()
			for b.Loop() {
				if err := r.Gray16(b.Context(), pix); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEncodeLabels2K is EncodeLabels8K at a size that can be repeated often.
func BenchmarkEncodeLabels2K(b *testing.B) {
	const side = 2048
	labels := discs(side, side)
	b.SetBytes(2 * side * side)
	b.ReportAllocs()
	for b.Loop() {
		if err := EncodeLabels(io.Discard, labels, side, side); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeGray2K(b *testing.B) {
	const side = 2048
	narrow, wide := make([]uint8, side*side), make([]uint16, side*side)
	for i, v := range discs(side, side) {
		narrow[i], wide[i] = uint8(v*31+int32(i%251)), uint16(v*31+int32(i%251))
	}
	for _, c := range []struct {
		name   string
		bytes  int64
		encode func(io.Writer) error
	}{
		{"8", 1, func(w io.Writer) error { return EncodeGray8(w, narrow, side, side, GrayOptions{}) }},
		{"16", 2, func(w io.Writer) error { return EncodeGray16(w, wide, side, side, GrayOptions{}) }},
		{"16Deflate", 2, func(w io.Writer) error { return EncodeGray16(w, wide, side, side, GrayOptions{Deflate: true}) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(c.bytes * side * side)
			b.ReportAllocs()
			for b.Loop() {
				if err := c.encode(io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
