package decode

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"math"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
	"golang.org/x/image/bmp"
)

// mrcFile makes an MRC of sections whose pixels are the bytes given.
func mrcFile(order binary.ByteOrder, mode, w, h, n int, data []byte, change func(head []byte)) []byte {
	head := make([]byte, 1024)
	for i, v := range []int{w, h, n, mode, 0, 0, 0, w, h, n} {
		order.PutUint32(head[4*i:], uint32(v))
	}
	copy(head[208:], "MAP ")
	copy(head[212:], []byte{0x44, 0x44})
	if order == binary.ByteOrder(binary.BigEndian) {
		copy(head[212:], []byte{0x11, 0x11})
	}
	if change != nil {
		change(head)
	}
	return append(head, data...)
}

func cell(order binary.ByteOrder, x, y, z float32) func([]byte) {
	return func(head []byte) {
		for i, v := range []float32{x, y, z} {
			order.PutUint32(head[40+4*i:], math.Float32bits(v))
		}
	}
}

func TestMRCModesByteOrdersAndCells(t *testing.T) {
	le, be := binary.ByteOrder(binary.LittleEndian), binary.ByteOrder(binary.BigEndian)
	for name, c := range map[string]struct {
		data []byte
		g8   []uint8
		g16  []uint16
		nm   float64
	}{
		"signed bytes":    {mrcFile(le, 0, 2, 1, 1, []byte{0x80, 0x7f}, cell(le, 20, 10, 1)), []uint8{0, 255}, nil, 1},
		"IMOD's bytes":    {mrcFile(le, 0, 2, 1, 1, []byte{0, 255}, func(h []byte) { le.PutUint32(h[152:], 1146047817) }), []uint8{0, 255}, nil, 0},
		"signed 16 bits":  {mrcFile(be, 1, 2, 1, 1, []byte{0x80, 0, 0x7f, 0xff}, cell(be, 4, 2, 3)), nil, []uint16{0, 65535}, 0.2},
		"floats":          {mrcFile(le, 2, 2, 1, 1, pack32(le, 0, 1), cell(le, 2, 1, 1)), nil, []uint16{0, 65535}, 0},
		"unsigned":        {mrcFile(le, 6, 2, 1, 1, []byte{1, 0, 2, 0}, cell(le, 5, 2.5, 2.5)), nil, []uint16{1, 2}, 0.25},
		"half floats":     {mrcFile(be, 12, 2, 1, 1, []byte{0, 0, 0x3c, 0}, nil), nil, []uint16{0, 65535}, 0},
		"an extra header": {mrcFile(le, 6, 2, 1, 1, append(make([]byte, 100), 1, 0, 2, 0), func(h []byte) { le.PutUint32(h[92:], 100) }), nil, []uint16{1, 2}, 0},
		"more intervals than pixels": {mrcFile(le, 6, 2, 1, 1, []byte{1, 0, 2, 0}, func(h []byte) {
			le.PutUint32(h[28:], 10) // MX
			cell(le, 50, 2.5, 2.5)(h)
		}), nil, []uint16{1, 2}, 0.5},
		"no stamp": {mrcFile(le, 6, 2, 1, 1, []byte{1, 0, 2, 0}, func(h []byte) { copy(h[208:], make([]byte, 8)) }), nil, []uint16{1, 2}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "stack.mrc", c.data)
			require.NoError(t, Complete(path))
			f, err := File(t.Context(), path)
			require.NoError(t, err)
			require.Equal(t, c.g8, f.Gray8)
			require.Equal(t, c.g16, f.Gray16)
			require.InDelta(t, c.nm, f.Meta.NmPerPx, 1e-9)
			require.Error(t, Complete(write(t, "cut.mrc", c.data[:len(c.data)-1])))
			f.Release()
		})
	}
	for name, data := range map[string][]byte{
		"complex":   mrcFile(le, 4, 2, 1, 1, make([]byte, 16), nil),
		"truncated": mrcFile(le, 2, 2000, 1000, 100, make([]byte, 16), nil),
		"too many":  mrcFile(le, 0, 1, 1, 100_000, make([]byte, 100_000), nil),
	} {
		_, err := File(t.Context(), write(t, name, data))
		require.Error(t, err, name)
		require.Contains(t, err.Error(), ";", "a remedy")
	}
}

func pack32(order binary.ByteOrder, values ...float32) []byte {
	out := make([]byte, 4*len(values))
	for i, v := range values {
		order.PutUint32(out[4*i:], math.Float32bits(v))
	}
	return out
}

// dmWriter writes DigitalMicrograph files for the tests.
type dmWriter struct {
	bytes.Buffer
	four bool
}

func (d *dmWriter) be(v any) { _ = binary.Write(d, binary.BigEndian, v) }

func (d *dmWriter) word(v int) {
	if d.four {
		d.be(uint64(v))
	} else {
		d.be(uint32(v))
	}
}

// dmNode is a tag: a group of nodes, a number, a text or an array.
type dmNode struct {
	name  string
	value any
}

func (d *dmWriter) group(nodes []dmNode) {
	d.Write([]byte{0, 1})
	d.word(len(nodes))
	for _, n := range nodes {
		kind := byte(21)
		children, isGroup := n.value.([]dmNode)
		if isGroup {
			kind = 20
		}
		d.WriteByte(kind)
		d.be(uint16(len(n.name)))
		d.WriteString(n.name)
		if d.four {
			d.be(uint64(0))
		}
		if isGroup {
			d.group(children)
			continue
		}
		d.WriteString("%%%%")
		le := func(v any) { _ = binary.Write(d, binary.LittleEndian, v) }
		words := func(w ...int) {
			d.word(len(w))
			for _, v := range w {
				d.word(v)
			}
		}
		switch v := n.value.(type) {
		case int:
			words(3)
			le(int32(v))
		case float64:
			words(7)
			le(v)
		case string:
			u := utf16.Encode([]rune(v))
			words(20, 4, len(u))
			le(u)
		case []float32:
			words(20, 6, len(v))
			le(v)
		case []uint16:
			words(20, 4, len(v))
			le(v)
		case []byte:
			words(20, 10, len(v))
			le(v)
		}
	}
}

// dmFile makes a DM3 or DM4 with a thumbnail and an image.
func dmFile(version int, image []dmNode) []byte {
	thumbnail := []dmNode{{"ImageData", []dmNode{{"Data", make([]byte, 64*64*4)}, {"DataType", 23}, {"Dimensions", []dmNode{{"", 64}, {"", 64}}}}}}
	d := &dmWriter{four: version == 4}
	d.be(uint32(version))
	d.word(1000)
	d.be(uint32(1))
	d.group([]dmNode{{"ImageList", []dmNode{{"", thumbnail}, {"", image}}}})
	return d.Bytes()
}

func dmImage(kind int, data any, dims []int, scale float64, unit string, tags ...dmNode) []dmNode {
	var sizes, axes []dmNode
	for _, n := range dims {
		sizes = append(sizes, dmNode{"", n})
		axes = append(axes, dmNode{"", []dmNode{{"Scale", scale}, {"Units", unit}}})
	}
	return []dmNode{
		{"ImageData", []dmNode{{"Calibrations", []dmNode{{"Dimension", axes}}}, {"Data", data}, {"DataType", kind}, {"Dimensions", sizes}}},
		{"ImageTags", tags},
	}
}

func TestDMFilesGiveTheirMainImageWithItsCalibration(t *testing.T) {
	for _, version := range []int{3, 4} {
		for unit, nm := range map[string]float64{"nm": 2.5, "µm": 2500, "A": 0.25, "Å": 0.25, "m": 0, "1/nm": 0, "s": 0, "": 0} {
			path := write(t, "x.dm3", dmFile(version, dmImage(10, []uint16{1, 2, 3, 4, 5, 6}, []int{3, 2}, 2.5, unit)))
			require.NoError(t, Complete(path))
			f, err := File(t.Context(), path)
			require.NoError(t, err, unit)
			require.Equal(t, []uint16{1, 2, 3, 4, 5, 6}, f.Gray16)
			require.Equal(t, [2]int{3, 2}, [2]int{f.Width, f.Height})
			require.InDelta(t, nm, f.Meta.NmPerPx, 1e-9, unit)
			f.Release()
		}
		data := dmFile(version, dmImage(2, []float32{0, 1, 2, 4, 4, 2, 1, 0}, []int{2, 2, 2}, 1, "nm",
			dmNode{"Microscope Info", []dmNode{{"Voltage", 5000.0}, {"Name", "Gemini"}, {"Stage Position", []dmNode{{"Stage X", 12.5}, {"Stage Alpha", 90.0}}}}},
			dmNode{"DigiScan", []dmNode{{"Sample Time", 8.0}}},
			dmNode{"DataBar", []dmNode{{"Acquisition Date", "11/13/2016"}, {"Acquisition Time", "1:14:20 PM"}, {"Signal Name", "SE"}}}))
		path := write(t, "stack", data)
		n, err := Frames(path)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		f, err := new(Decoder).Frame(t.Context(), path, 2)
		require.NoError(t, err)
		require.Equal(t, []uint16{65535, 32768, 16384, 0}, f.Gray16)
		require.Equal(t, "stack.p2", f.Name)
		m := f.Meta
		require.Equal(t, []any{5000.0, 12.5e-6, 8e-6, "SE", "Gemini", "2016-11-13 13:14:20"},
			[]any{m.HighVoltageV, m.StageXM, m.DwellTimeS, m.Detector, m.Model, m.AcquiredAt.Format("2006-01-02 15:04:05")})
		require.InDelta(t, math.Pi/2, m.StageTiltRad, 1e-12)
		f.Release()
		for _, cut := range []int{20, len(data) / 2, len(data) - 5} {
			err := Complete(write(t, "cut", data[:cut]))
			require.ErrorIs(t, err, ErrTruncated)
		}
	}
	for name, image := range map[string][]dmNode{
		"spectrum":       dmImage(10, []uint16{1, 2, 3}, []int{3, 1}, 1, "eV"),
		"spectrum image": dmImage(10, []uint16{1, 2, 3, 4}, []int{2, 2}, 1, "eV"),
		"complex":        dmImage(3, make([]float32, 8), []int{2, 2}, 1, "nm"),
		"colour":         dmImage(23, make([]byte, 16), []int{2, 2}, 1, "nm"),
		"too little":     dmImage(10, []uint16{1, 2, 3}, []int{2, 2}, 1, "nm"),
		"too much":       dmImage(10, []uint16{1, 2, 3}, []int{1 << 20, 1 << 20}, 1, "nm"),
		"unknown type":   dmImage(99, []uint16{1, 2, 3, 4}, []int{2, 2}, 1, "nm"),
	} {
		_, err := File(t.Context(), write(t, name, dmFile(3, image)))
		require.Error(t, err, name)
		require.Contains(t, err.Error(), ";", name)
	}
}

func TestBitmapsDecode(t *testing.T) {
	grey := image.NewGray(image.Rect(0, 0, 70, 66))
	copy(grey.Pix, ramp8(70, 66))
	colour := image.NewNRGBA(grey.Rect)
	for i, v := range grey.Pix {
		copy(colour.Pix[4*i:], []byte{v, v, v, 255})
	}
	mapped := image.NewPaletted(grey.Rect, nil)
	for v := range 256 {
		mapped.Palette = append(mapped.Palette, color.Gray{Y: uint8(v)})
	}
	copy(mapped.Pix, grey.Pix)
	for name, m := range map[string]image.Image{"palette": mapped, "24 bits": colour, "grey": grey} {
		var b bytes.Buffer
		require.NoError(t, bmp.Encode(&b, m))
		path := write(t, "image.tif", b.Bytes()) // by content
		require.True(t, IsImage(path))
		require.NoError(t, Complete(path))
		f, err := File(t.Context(), path)
		require.NoError(t, err, name)
		require.Equal(t, grey.Pix, f.Gray8, name)
		f.Release()
		cut := write(t, "cut.bmp", b.Bytes()[:b.Len()/2])
		require.ErrorIs(t, Complete(cut), ErrTruncated)
		_, err = File(t.Context(), cut)
		require.ErrorIs(t, err, ErrTruncated)
	}
	_, _, _, err := Labels(write(t, "labels.bmp", append([]byte("BM\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), make([]byte, 60)...)))
	require.Error(t, err)
}
