package decode

import (
	"bytes"
	"fmt"
	"testing"

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
