package cuda

import "math/bits"

// bitmap is an image of one bit per px; a row takes words of 64.
type bitmap struct {
	w, h, stride int
	words        []uint64
}

func newBitmap(w, h int) *bitmap {
	stride := (w + 63) / 64
	return &bitmap{w: w, h: h, stride: stride, words: make([]uint64, stride*h)}
}

func (b *bitmap) set(x, y int) { b.words[y*b.stride+x>>6] |= 1 << (x & 63) }

func (b *bitmap) get(x, y int) bool { return b.words[y*b.stride+x>>6]>>(x&63)&1 != 0 }

func (b *bitmap) row(y int) []uint64 { return b.words[y*b.stride:][:b.stride] }

// dilatedRow writes row y of the bitmap dilated by one px, diagonals too, to dst. Bits beyond the width are 0.
func (b *bitmap) dilatedRow(dst []uint64, y int) {
	copy(dst, b.row(y))
	for _, other := range [2]int{y - 1, y + 1} {
		if other >= 0 && other < b.h {
			for i, v := range b.row(other) {
				dst[i] |= v
			}
		}
	}
	carry := uint64(0)
	for i, v := range dst {
		next := uint64(0)
		if i+1 < len(dst) {
			next = dst[i+1] << 63
		}
		dst[i] = v | v<<1 | carry | v>>1 | next
		carry = v >> 63
	}
	if rest := b.w & 63; rest > 0 {
		dst[len(dst)-1] &= 1<<rest - 1
	}
}

// appendRuns appends the stretches of set bits of a row.
func appendRuns(dst []stretch, row []uint64) []stretch {
	open := false
	for i, v := range row {
		at := int32(i * 64)
		if open && v != ^uint64(0) { // the stretch of the words before ends here
			n := int32(bits.TrailingZeros64(^v))
			dst[len(dst)-1].x1 = at + n
			v = v >> n << n
			open = false
		} else if open {
			dst[len(dst)-1].x1 = at + 64
			continue
		}
		for v != 0 {
			x0 := int32(bits.TrailingZeros64(v))
			n := int32(bits.TrailingZeros64(^(v >> x0)))
			dst = append(dst, stretch{at + x0, at + x0 + n})
			if x0+n == 64 {
				open = true
				break
			}
			v = v >> (x0 + n) << (x0 + n)
		}
	}
	return dst
}
