package tiff

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// FuzzDecode parses, checks and decodes whatever it is given; hostile input must end in an error.
func FuzzDecode(f *testing.F) {
	var b bytes.Buffer
	_ = EncodeGray8(&b, make([]uint8, 20*30), 20, 30, GrayOptions{Deflate: true, Description: "d"})
	f.Add(b.Bytes())
	for _, big := range []bool{false, true} {
		f.Add(build(binary.BigEndian, big, plain(4, 4, 16), false, make([]byte, 32)))
	}
	packed := plain(6, 1, 8)
	packed[TagCompression] = []uint64{compressionPackBits}
	f.Add(build(binary.LittleEndian, false, packed, false, []byte{0xfd, 9, 0x80, 1, 7, 8}))
	packed[TagCompression], packed[TagPredictor] = []uint64{compressionLZW}, []uint64{2}
	f.Add(build(binary.LittleEndian, false, packed, false, []byte{0x80, 0x0b, 0x60, 0x50, 0x22, 0x0c, 0x0c}))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(Bytes(data), int64(len(data)))
		if err != nil {
			return
		}
		_ = file.Complete()
		_, _ = file.TailIsZero()
		for _, p := range file.Pages {
			for _, tag := range p.Tags() {
				_, _ = p.ASCII(tag.ID)
				_, _ = p.Rationals(tag.ID)
			}
			r, err := p.Raster()
			if err != nil || r.Width*r.Height > 1<<20 {
				continue
			}
			switch bits, err := r.GreyBits(); {
			case err != nil:
			case bits == 16:
				_ = r.Gray16(t.Context(), make([]uint16, r.Width*r.Height))
			default:
				_ = r.Gray8(t.Context(), make([]uint8, r.Width*r.Height))
			}
			if r.LabelsOK() == nil {
				_ = r.Labels(t.Context(), make([]int32, r.Width*r.Height))
			}
		}
	})
}
