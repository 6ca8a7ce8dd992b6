package decode

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"testing"

	"golang.org/x/image/bmp"

	"github.com/uni-aims/aimsd/stream"
)

// check fails when metadata breaks what its readers rely on.
func check(t *testing.T, m *stream.Metadata) {
	size := 0
	for k, v := range m.Raw {
		size += len(k) + len(v)
	}
	if len(m.Raw) > maxRawKeys || size > maxRawBytes {
		t.Fatalf("raw of %d keys, %d bytes", len(m.Raw), size)
	}
	if m.NmPerPx != 0 && !(m.NmPerPx >= 0.001*0.999 && m.NmPerPx <= 1e6*1.001) || m.ImageRows < 0 || m.ImageRows >= 1000 || m.Width < 0 {
		t.Fatalf("implausible %+v", m)
	}
}

func fuzzText(f *testing.F, parse func(b *builder, s string), seeds ...string) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := newBuilder(1000, 1000)
		parse(&b, utf8Text(s))
		check(t, b.finish())
	})
}

func FuzzFEI(f *testing.F) {
	fuzzText(f, (*builder).fei, fmt.Sprintf(feiText, 68), "[Beam]\nBeam=IRBeam\n[IRBeam]\nHFW=1\n[Image]\nResolutionX=5\n")
}

func FuzzFEIXML(f *testing.F) {
	fuzzText(f, (*builder).feiXML, `<FeiImage><pixelWidth unit="um">0.05</pixelWidth><databarHeight>6</databarHeight></FeiImage>`, "<a><b></a>")
}

func FuzzZeiss(f *testing.F) {
	fuzzText(f, (*builder).zeiss, fmt.Sprintf(zeissText, "AP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 9.766 nm\r\nDP_IMAGE_STORE\nStore = 1 * 2\n"))
}

func FuzzTESCAN(f *testing.F) {
	fuzzText(f, func(b *builder, s string) { b.tescan([]byte(s)) }, "\x00AccFrames=2\nPixelSizeX=4e-9\nImageStripSize=9\n\x00\x03\x00HV=1\n")
}

func FuzzDescription(f *testing.F) {
	fuzzText(f, func(b *builder, s string) { b.openFIBSEM(s); b.ome(s, 0); b.imageJ(s, 3, 4) },
		`{"image":{"resolution":[1,2]},"pixel_size":{"x":1e-9,"y":1e-9}}`, `<OME><Pixels PhysicalSizeX="1"/></OME>`, "ImageJ=1\nunit=nm\n")
}

func FuzzPGM(f *testing.F) {
	f.Add([]byte("P5\n# c\n2 2\n255\n0123"))
	f.Add([]byte("P5 1 1 65535 ab"))
	f.Add([]byte("P2\n# c\n2 2\n300\n0 1\n 299 300"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parsePGM(bytes.NewReader(data), int64(len(data)))
		if err == nil && (p.end() > int64(len(data)) || p.width <= 0 || p.height <= 0) {
			t.Fatalf("accepted %+v of %d bytes", p, len(data))
		}
		if err == nil && p.plain {
			_ = p.numbers(bytes.NewReader(data), int64(len(data)), func(i, v int) {
				if i >= p.width*p.height || v < 0 || v > p.maximum {
					t.Fatalf("sample %d is %d in %+v", i, v, p)
				}
			})
		}
	})
}

func FuzzHitachi(f *testing.F) {
	fuzzText(f, func(b *builder, s string) { b.hitachi(s); b.hitachiComment(s) }, hitachiText,
		"PixelSize=165.3646\nCondition=Vacc=15.0kV Mag=x600 WD=7.9mm\nDataNumber=TM4000 0001\n")
}

func FuzzJEOL(f *testing.F) {
	fuzzText(f, (*builder).jeol, jeolText, "$CM_FULL_SIZE 1280\n$$SM_MICRON_BAR 0\n")
}

func FuzzTESCANHeader(f *testing.F) {
	fuzzText(f, (*builder).tescanText, tescanText)
}

func FuzzOME(f *testing.F) {
	fuzzText(f, func(b *builder, s string) { b.ome(s, 1) }, omeTwo)
}

func FuzzSidecarText(f *testing.F) {
	f.Add(utf16LE(hitachiText))
	f.Add([]byte(jeolText))
	f.Fuzz(func(_ *testing.T, data []byte) { _ = sidecarKind(unicodeText(data)) })
}

// fuzzFile decodes arbitrary files of a format: structure, first frame, labels.
func fuzzFile(f *testing.F, seeds ...[]byte) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 4 || len(data) > 1<<20 {
			return
		}
		path := write(t, "x", data)
		_ = Complete(path)
		n, err := Frames(path)
		if err != nil {
			return
		}
		if n < 1 {
			t.Fatal("no frame")
		}
		if fr, err := new(Decoder).Frame(t.Context(), path, n); err == nil {
			if len(fr.Gray8)+len(fr.Gray16) != fr.Width*fr.Height {
				t.Fatalf("%d x %d px, %d given", fr.Width, fr.Height, len(fr.Gray8)+len(fr.Gray16))
			}
			fr.Release()
		}
		_, _, _, _ = Labels(path)
	})
}

func FuzzMRC(f *testing.F) {
	le := binary.ByteOrder(binary.LittleEndian)
	fuzzFile(f, mrcFile(le, 2, 4, 3, 2, make([]byte, 96), cell(le, 2, 2, 2)), mrcFile(binary.BigEndian, 0, 4, 3, 1, make([]byte, 12), nil))
}

func FuzzDM(f *testing.F) {
	for _, version := range []int{3, 4} {
		f.Add(dmFile(version, dmImage(10, []uint16{1, 2, 3, 4, 5, 6}, []int{3, 2}, 2.5, "nm", dmNode{"Microscope Info", []dmNode{{"Voltage", 5000.0}}})))
	}
	fuzzFile(f)
}

func FuzzBMP(f *testing.F) {
	var b bytes.Buffer
	_ = bmp.Encode(&b, image.NewGray(image.Rect(0, 0, 5, 4)))
	fuzzFile(f, b.Bytes())
}

// FuzzTIFFMetadata decodes TIFFs with private tags that point anywhere.
func FuzzTIFFMetadata(f *testing.F) {
	fuzzFile(f, stackTIFF(9, 9, []byte{1, 2, 3}, omeTwo, "ImageJ=1\nunit=nm\n"), sisFile())
}
