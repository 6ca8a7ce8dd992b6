package decode

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/tiff"
)

// stackTIFF makes a TIFF of 8-bit pages, each of one level; descriptions go to the first pages.
func stackTIFF(w, h int, fills []byte, descriptions ...string) []byte {
	out := []byte("II*\x00\x00\x00\x00\x00")
	le := binary.LittleEndian
	link := 4
	for i, fill := range fills {
		pixels := len(out)
		out = append(out, bytes.Repeat([]byte{fill}, w*h)...)
		text := ""
		if i < len(descriptions) {
			text = descriptions[i]
		}
		description := len(out)
		out = append(append(out, text...), 0, 0, 0, 0, 0)
		le.PutUint32(out[link:], uint32(len(out)))
		entries := [][4]uint32{
			{256, 4, 1, uint32(w)}, {257, 4, 1, uint32(h)}, {258, 3, 1, 8}, {259, 3, 1, 1}, {262, 3, 1, 1},
			{270, 2, uint32(len(text) + 5), uint32(description)}, {273, 4, 1, uint32(pixels)}, {277, 3, 1, 1}, {278, 4, 1, uint32(h)},
			{279, 4, 1, uint32(w * h)},
		}
		out = le.AppendUint16(out, uint16(len(entries)))
		for _, e := range entries {
			out = le.AppendUint16(le.AppendUint16(out, uint16(e[0])), uint16(e[1]))
			out = le.AppendUint32(le.AppendUint32(out, e[2]), e[3])
		}
		link = len(out)
		out = append(out, 0, 0, 0, 0)
	}
	return out
}

const omeTwo = `<?xml version="1.0"?><OME><Instrument ID="I"><Microscope Manufacturer="Acme" Model="M1"/></Instrument>
<Image ID="a"><AcquisitionDate>2024-05-06T07:08:09</AcquisitionDate><Pixels SizeX="70" SizeY="66" PhysicalSizeX="10" PhysicalSizeXUnit="nm" PhysicalSizeY="10" PhysicalSizeYUnit="nm">
<TiffData IFD="0" FirstZ="0" PlaneCount="1"/><TiffData IFD="1" FirstZ="1" PlaneCount="1"/>
<Plane TheZ="1" TheC="0" TheT="0" PositionX="3" PositionXUnit="mm"/></Pixels></Image>
<Image ID="b"><Pixels SizeX="70" SizeY="66" PhysicalSizeX="0.02" PhysicalSizeY="0.03"><TiffData IFD="2"/></Pixels></Image></OME>`

func TestEveryPageOfAStackIsAFrame(t *testing.T) {
	path := write(t, "stack.tif", stackTIFF(70, 66, []byte{10, 20, 30}, omeTwo))
	n, err := Frames(path)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	var d Decoder
	whole, err := File(t.Context(), path)
	require.NoError(t, err)
	require.Equal(t, []any{"stack.tif", 0, 0}, []any{whole.Name, whole.Page, whole.Pages})
	for page, c := range map[int]struct {
		name   string
		nm, ny float64
		x      float64
	}{1: {"stack.tif.p1", 10, 10, 0}, 2: {"stack.tif.p2", 10, 10, 3e-3}, 3: {"stack.tif.p3", 20, 30, 0}} {
		f, err := d.Frame(t.Context(), path, page)
		require.NoError(t, err)
		require.Equal(t, []any{c.name, page, 3}, []any{f.Name, f.Page, f.Pages})
		require.EqualValues(t, 10*page, f.Gray8[99])
		require.Equal(t, whole.SHA256, f.SHA256, "of the file")
		require.Equal(t, []float64{c.nm, c.ny, c.x}, []float64{f.Meta.NmPerPx, f.Meta.NmPerPxY, f.Meta.StageXM})
		require.Equal(t, "Acme", f.Meta.Vendor)
		f.Release()
	}
	whole.Release()
	_, err = d.Frame(t.Context(), path, 4)
	require.ErrorContains(t, err, path+"#page=4: truncated")
}

func TestUncompressedFramesAreNotCopied(t *testing.T) {
	const side = 3000
	for _, deep := range []bool{false, true} {
		var b bytes.Buffer
		if deep {
			require.NoError(t, tiff.EncodeGray16(&b, ramp16(side, side), side, side, tiff.GrayOptions{}))
		} else {
			require.NoError(t, tiff.EncodeGray8(&b, ramp8(side, side), side, side, tiff.GrayOptions{}))
		}
		path := write(t, "big.tif", b.Bytes())
		f, err := File(t.Context(), path)
		require.NoError(t, err)
		if deep {
			require.Equal(t, ramp16(side, side), f.Gray16)
		} else {
			require.Equal(t, ramp8(side, side), f.Gray8)
		}
		require.Equal(t, fmt.Sprintf("%x", sha256.Sum256(b.Bytes())), f.SHA256)
		f.Release()
		src, err := open(path)
		require.NoError(t, err)
		require.True(t, src.reserve())
		require.NoError(t, src.load())
		data := src.data
		frame := &stream.Frame{}
		require.NoError(t, decode(t.Context(), src, frame, 0))
		data[8]++ // the first pixel
		require.Nil(t, src.data, "the frame has the file's memory")
		if deep {
			require.EqualValues(t, 1, frame.Gray16[0])
		} else {
			require.EqualValues(t, 1, frame.Gray8[0])
		}
		frame.Release()
		src.close()
	}
}

// sisFile makes a TIFF with the directory of Olympus SIS: 2.5 nm.
func sisFile() []byte {
	data := stackTIFF(70, 66, []byte{1})
	le := binary.LittleEndian
	at := len(data)
	sis := make([]byte, 60+8+112)
	copy(sis, "SIS0")
	for i, v := range []uint16{42, 19, 15, 10, 118} { // 19:42 on 15 November 2018
		le.PutUint16(sis[10+2*i:], v)
	}
	le.PutUint16(sis[58:], 1)
	le.PutUint16(sis[60:], 1)
	le.PutUint32(sis[64:], uint32(at+68))
	exponent := int16(-9)
	le.PutUint16(sis[78:], uint16(exponent))
	le.PutUint64(sis[80:], math.Float64bits(2.5))
	le.PutUint64(sis[88:], math.Float64bits(2.5))
	data = append(data, sis...)
	// The description becomes the private tag.
	entry := bytes.Index(data, []byte{0x0e, 0x01, 2, 0})
	le.PutUint16(data[entry:], tagSIS)
	le.PutUint16(data[entry+2:], 4)
	le.PutUint32(data[entry+4:], 1)
	le.PutUint32(data[entry+8:], uint32(at))
	return data
}

func TestOlympusSISDirectory(t *testing.T) {
	f, err := File(t.Context(), write(t, "sis.tif", sisFile()))
	require.NoError(t, err)
	defer f.Release()
	require.Equal(t, []any{"Olympus SIS", 2.5, 2.5, "2018-11-15 19:42"},
		[]any{f.Meta.Vendor, f.Meta.NmPerPx, f.Meta.NmPerPxY, f.Meta.AcquiredAt.Format("2006-01-02 15:04")})
}

func TestPagesTooSmallToAnalyseAreThumbnails(t *testing.T) {
	big, small := stackTIFF(70, 66, []byte{1}), stackTIFF(40, 30, []byte{2})
	le := binary.LittleEndian
	// The small file's directory becomes the big one's next, its offsets moved.
	shift := uint32(len(big))
	dir := le.Uint32(small[4:])
	entry := dir + 2
	for range le.Uint16(small[dir:]) {
		if id := le.Uint16(small[entry:]); id == 270 || id == 273 {
			le.PutUint32(small[entry+8:], le.Uint32(small[entry+8:])+shift)
		}
		entry += 12
	}
	le.PutUint32(big[len(big)-4:], dir+shift)
	path := write(t, "a.tif", append(big, small...))
	require.NoError(t, Complete(path))
	n, err := Frames(path)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	n, err = Frames(write(t, "b.tif", stackTIFF(40, 30, []byte{1, 2})))
	require.NoError(t, err)
	require.Equal(t, 2, n, "nothing else is there")
}

func TestImageJStacksOfOneDirectoryAreStacks(t *testing.T) {
	const text = "ImageJ=1.54\nimages=3\nslices=3\nunit=nm\n"
	one := stackTIFF(70, 66, []byte{1}, text)
	data := stackTIFF(70, 66, []byte{1}, text)
	// The pixels of the first image are moved to the end, where two more follow.
	binary.LittleEndian.PutUint32(data[bytes.Index(data, []byte{0x11, 1, 4, 0})+8:], uint32(len(data)))
	for fill := range 3 {
		data = append(data, bytes.Repeat([]byte{byte(10 * (fill + 1))}, 70*66)...)
	}
	path := write(t, "stack.tif", data)
	n, err := Frames(path)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	var d Decoder
	for page := range n {
		f, err := d.Frame(t.Context(), path, page+1)
		require.NoError(t, err)
		require.EqualValues(t, 10*(page+1), f.Gray8[4000])
		f.Release()
	}
	n, err = Frames(write(t, "one.tif", one))
	require.NoError(t, err)
	require.Equal(t, 1, n, "the other images are not there")
}
