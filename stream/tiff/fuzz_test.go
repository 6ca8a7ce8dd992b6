package tiff

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
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
			decodeAll(t, r)
		}
	})
}

// decodeAll decodes in every way that the raster allows.
func decodeAll(t *testing.T, r *Raster) {
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

// FuzzDirectories walks directories and reads every tag's value in every way; hostile input must end in an
// error, and what is read must be bounded.
func FuzzDirectories(f *testing.F) {
	for _, big := range []bool{false, true} {
		f.Add(build(binary.LittleEndian, big, plain(4, 4, 8), false, make([]byte, 16)))
		f.Add(build(binary.BigEndian, big, plain(4, 4, 16), true, make([]byte, 32)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(Bytes(data), int64(len(data)))
		if err != nil {
			return
		}
		if len(file.Frames()) == 0 {
			t.Fatal("no frame")
		}
		for _, p := range file.Pages {
			for _, tag := range p.Tags() {
				b, err := p.Bytes(tag.ID)
				if err == nil && len(b) > len(data) {
					t.Fatalf("tag %d of %d bytes in a file of %d", tag.ID, len(b), len(data))
				}
				_, _ = p.Uints(tag.ID)
				_, _ = p.Rationals(tag.ID)
				_, _ = p.ASCII(tag.ID)
				_, _ = p.At(tag.off, 16)
			}
		}
	})
}

// fuzzScheme decodes arbitrary bytes as one strip of a scheme.
func fuzzScheme(f *testing.F, schemes []uint64, seeds ...[]byte) {
	for _, s := range seeds {
		f.Add(s, byte(0), byte(20), byte(9))
	}
	f.Fuzz(func(t *testing.T, data []byte, kind, w, h byte) {
		scheme := schemes[int(kind)%len(schemes)]
		bits, format := uint64(8), uint64(1)
		switch {
		case scheme == compressionRLE, scheme == compressionRLEW, scheme == compressionFax3, scheme == compressionFax4:
			bits = 1
		case kind&64 != 0:
			bits, format = 32, 3
		}
		fields := plain(uint64(w)+1, uint64(h)+1, bits)
		fields[TagCompression], fields[TagSampleFormat] = []uint64{scheme}, []uint64{format}
		if scheme == compressionFax3 {
			fields[TagT4Options] = []uint64{uint64(kind >> 5 & 1)}
		}
		if bits == 32 {
			fields[TagPredictor] = []uint64{1 + uint64(h%3)}
		}
		p := parsed(t, build(binary.LittleEndian, false, fields, false, data))
		if r, err := p.Raster(); err == nil {
			decodeAll(t, r)
		}
	})
}

func FuzzFax(f *testing.F) {
	w := &faxWriter{}
	w.put(1, 12)
	w.row([]byte{0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	fuzzScheme(f, []uint64{compressionFax4, compressionFax3, compressionRLE, compressionRLEW}, []byte{0x26, 0xa0}, w.bytes())
}

func FuzzLossless(f *testing.F) {
	var seeds [][]byte
	for _, encode := range codecs(f) {
		seeds = append(seeds, encode(make([]byte, 210)))
	}
	seeds = append(seeds, []byte{0x80, 0x0b, 0x60, 0x50, 0x22, 0x0c, 0x0c}, []byte{0x00, 0x01, 0x60, 0x50, 0x22, 0x0c, 0x0c})
	fuzzScheme(f, []uint64{compressionLZW, compressionDeflate, compressionZstd, compressionPackBits, compressionNone}, seeds...)
}

func FuzzJPEG(f *testing.F) {
	var b bytes.Buffer
	_ = jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 21, 10)), nil)
	fuzzScheme(f, []uint64{compressionJPEG, compressionJPEGOld}, b.Bytes())
}
