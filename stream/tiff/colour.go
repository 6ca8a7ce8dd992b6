package tiff

import (
	"encoding/binary"
	"fmt"
)

// lookup is what samples of up to 8 bits become.
type lookup struct {
	level [256]uint8 // a channel's level
	grey  [256]uint8 // a grey or palette pixel's
	plain bool       // grey is what is stored
}

func (r *Raster) lookup8() (*lookup, error) {
	l := new(lookup)
	n := 1 << r.depth
	for v := range n {
		u := v
		if r.format == formatSigned {
			u ^= n >> 1
		}
		l.level[v] = uint8((u*255 + (n-1)/2) / (n - 1))
	}
	l.grey = l.level
	switch {
	case r.photometric == photometricWhiteIsZero:
		for v := range l.grey {
			l.grey[v] = 255 - l.grey[v]
		}
	case r.photometric == photometricPalette && r.channels == r.Samples:
		cmap, err := r.palette()
		if err != nil {
			return nil, err
		}
		for v, c := range cmap {
			l.grey[v] = uint8((weightR*(c[0]>>8) + weightG*(c[1]>>8) + weightB*(c[2]>>8) + 1<<15) >> 16)
		}
	default:
		l.plain = r.depth == 8 && r.format == formatUnsigned
	}
	return l, nil
}

// lookup16 is the same for 9 to 16 bits; nil when the bits are as they should be but for flip16.
func (r *Raster) lookup16() ([]uint16, error) {
	if r.photometric == photometricPalette {
		cmap, err := r.palette()
		if err != nil {
			return nil, err
		}
		lut := make([]uint16, len(cmap))
		for v, c := range cmap {
			lut[v] = uint16((weightR*c[0] + weightG*c[1] + weightB*c[2] + 1<<15) >> 16)
		}
		return lut, nil
	}
	if r.depth == 16 {
		return nil, nil
	}
	n := 1 << r.depth
	lut := make([]uint16, n)
	for v := range n {
		u := v
		if r.format == formatSigned {
			u ^= n >> 1
		}
		if r.photometric == photometricWhiteIsZero {
			u = n - 1 - u
		}
		lut[v] = uint16((u*65535 + (n-1)/2) / (n - 1))
	}
	return lut, nil
}

// palette reads the colour map: red, green and blue, 0..65535, by index.
func (r *Raster) palette() ([][3]uint64, error) {
	n := 1 << r.depth
	cmap, err := r.page.Uints(TagColorMap)
	if err != nil {
		return nil, err
	}
	if len(cmap) < 3*n {
		return nil, fmt.Errorf("%w: colour map of %d values, %d needed", ErrFormat, len(cmap), 3*n)
	}
	by := uint64(257) // some writers fill the map with 8-bit values
	for _, v := range cmap {
		if v > 255 {
			by = 1
			break
		}
	}
	out := make([][3]uint64, n)
	for v := range out {
		out[v] = [3]uint64{cmap[v] * by, cmap[n+v] * by, cmap[2*n+v] * by}
	}
	return out, nil
}

// luma8 reduces 8-bit colour to luminance; r, g and b step through their samples.
func luma8(dst []uint8, r, g, b []byte, step int) {
	for i := range dst {
		k := i * step
		dst[i] = uint8((weightR*uint32(r[k]) + weightG*uint32(g[k]) + weightB*uint32(b[k]) + 1<<15) >> 16)
	}
}

// luma16 is luma8 for 16-bit samples.
func luma16(dst, r, g, b []uint16, step int) {
	for i := range dst {
		k := i * step
		dst[i] = uint16((weightR*uint64(r[k]) + weightG*uint64(g[k]) + weightB*uint64(b[k]) + 1<<15) >> 16)
	}
}

// ink8 reduces cyan, magenta, yellow and black to luminance: what a simple conversion to RGB gives,
// without colour management.
func ink8(dst []uint8, p [4][]uint8, step int) {
	for i := range dst {
		j := i * step
		k := 255 - uint32(p[3][j])
		r, g, b := k*(255-uint32(p[0][j]))/255, k*(255-uint32(p[1][j]))/255, k*(255-uint32(p[2][j]))/255
		dst[i] = uint8((weightR*r + weightG*g + weightB*b + 1<<15) >> 16)
	}
}

// ink16 is ink8 for 16-bit samples.
func ink16(dst []uint16, p [4][]uint16, step int) {
	for i := range dst {
		j := i * step
		k := 65535 - uint64(p[3][j])
		r, g, b := k*(65535-uint64(p[0][j]))/65535, k*(65535-uint64(p[1][j]))/65535, k*(65535-uint64(p[2][j]))/65535
		dst[i] = uint16((weightR*r + weightG*g + weightB*b + 1<<15) >> 16)
	}
}

// grey16 reads 16-bit samples and combines them with flip.
func grey16(dst []uint16, src []byte, big bool, flip uint16) {
	src = src[:2*len(dst)]
	if big {
		for i := range dst {
			dst[i] = binary.BigEndian.Uint16(src[2*i:2*i+2]) ^ flip
		}
		return
	}
	for i := range dst {
		dst[i] = binary.LittleEndian.Uint16(src[2*i:2*i+2]) ^ flip
	}
}
