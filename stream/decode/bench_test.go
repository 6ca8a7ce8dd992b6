package decode

import (
	"bytes"
	"os"
	"testing"

	"github.com/uni-aims/aimsd/stream/tiff"
)

func BenchmarkFile8K16(b *testing.B) {
	const side = 8192
	pix := make([]uint16, side*side)
	for i := range pix {
		pix[i] = uint16(i*31>>5 + i%251)
	}
	for _, c := range []struct {
		name string
		opts tiff.GrayOptions
	}{{"Plain", tiff.GrayOptions{}}, {"Deflate", tiff.GrayOptions{Deflate: true}}} {
		b.Run(c.name, func(b *testing.B) {
			var buf bytes.Buffer
			if err := tiff.EncodeGray16(&buf, pix, side, side, c.opts); err != nil {
				b.Fatal(err)
			}
			path := b.TempDir() + "/x.tif"
			if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(2 * side * side)
			b.ReportAllocs()
			for b.Loop() {
				f, err := File(b.Context(), path)
				if err != nil {
					b.Fatal(err)
				}
				f.Release()
			}
		})
	}
}
