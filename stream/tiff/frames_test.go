package tiff

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// page builds a page of a file of its own: Frames looks at tags only.
func page(t testing.TB, w, h, samples uint64, tags map[uint16]uint64) *Page {
	t.Helper()
	fields := plain(w, h, 8)
	fields[TagSamplesPerPixel] = []uint64{samples}
	for id, v := range tags {
		fields[id] = []uint64{v}
	}
	data := build(binary.LittleEndian, false, fields, false, make([]byte, w*h*samples))
	p := parsed(t, data)
	for id, v := range tags { // build writes standard tags only
		if id >= 1000 {
			p.tags = append(p.tags, Tag{ID: id, Type: Long, Count: v})
		}
	}
	return p
}

func TestThumbnailsMasksAndPreviewsAreNoFrames(t *testing.T) {
	for name, c := range map[string]struct {
		pages []*Page
		want  []int
	}{
		"a stack":             {[]*Page{page(t, 9, 9, 1, nil), page(t, 5, 5, 1, nil), page(t, 9, 9, 1, map[uint16]uint64{TagNewSubfileType: 2})}, []int{0, 1, 2}},
		"a pyramid":           {[]*Page{page(t, 9, 9, 1, nil), page(t, 5, 5, 1, map[uint16]uint64{TagNewSubfileType: 1})}, []int{0}},
		"a mask":              {[]*Page{page(t, 9, 9, 1, nil), page(t, 9, 9, 1, map[uint16]uint64{TagNewSubfileType: 4})}, []int{0}},
		"an unmarked mask":    {[]*Page{page(t, 9, 9, 1, nil), page(t, 9, 9, 1, map[uint16]uint64{TagPhotometric: 4})}, []int{0}},
		"an old thumbnail":    {[]*Page{page(t, 9, 9, 1, map[uint16]uint64{TagSubfileType: 2}), page(t, 90, 90, 1, nil)}, []int{1}},
		"nothing else":        {[]*Page{page(t, 9, 9, 1, map[uint16]uint64{TagNewSubfileType: 1})}, []int{0}},
		"a camera":            {[]*Page{page(t, 90, 90, 3, map[uint16]uint64{tagEXIF: 1}), page(t, 9, 9, 3, nil)}, []int{0}},
		"two of a camera":     {[]*Page{page(t, 90, 90, 3, map[uint16]uint64{tagEXIF: 1}), page(t, 90, 90, 3, nil)}, []int{0, 1}},
		"a colour rendering":  {[]*Page{page(t, 9, 9, 3, nil), page(t, 9, 9, 1, map[uint16]uint64{tagSIS: 1})}, []int{1}},
		"another colour page": {[]*Page{page(t, 9, 8, 3, nil), page(t, 9, 9, 1, map[uint16]uint64{tagSIS: 1})}, []int{0, 1}},
	} {
		var want []*Page
		for _, i := range c.want {
			want = append(want, c.pages[i])
		}
		require.Equal(t, want, (&File{Pages: c.pages}).Frames(), name)
	}
}

func TestPixelsOfOtherFormatsFollowTheSameRules(t *testing.T) {
	data := append(make([]byte, 7), 1, 2, 3, 4, 5, 6)
	r, err := RawRaster(Bytes(data), int64(len(data)), Raw{Width: 3, Height: 1, Bits: 16, BigEndian: true, Offset: 7})
	require.NoError(t, err)
	require.Equal(t, []uint16{0x102, 0x304, 0x506}, grey(t, r))
	_, _, stored := r.Stored()
	require.False(t, stored, "the bytes have to be swapped")
	r, err = RawRaster(Bytes(data), int64(len(data)), Raw{Width: 3, Height: 2, Bits: 8, Offset: 7})
	require.NoError(t, err)
	off, n, stored := r.Stored()
	require.True(t, stored)
	require.Equal(t, [2]int64{7, 6}, [2]int64{off, n})
	for _, bad := range []Raw{
		{Width: 4, Height: 1, Bits: 16, Offset: 7}, {Width: 0, Height: 1, Bits: 8}, {Width: 1, Height: 1, Bits: 8, Offset: -1},
		{Width: 1, Height: 1, Bits: 8, Offset: math.MaxInt64}, {Width: MaxSide + 1, Height: 1, Bits: 8}, {Width: MaxSide, Height: MaxSide, Bits: 64},
	} {
		_, err := RawRaster(Bytes(data), int64(len(data)), bad)
		require.Error(t, err, "%+v", bad)
	}
}
