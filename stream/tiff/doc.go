// Package tiff reads and writes the TIFF files of microscopes: every tag of every directory, classic and
// BigTIFF, the pages that are images as grey pixels or as label ids, and whether a file is completely written.
//
// Read are strips and tiles, interleaved and planar, in either fill order; uncompressed, PackBits, LZW,
// Deflate, Zstandard, CCITT fax and JPEG; integers of 1 to 64 bits and floats of 16, 24, 32 and 64, with
// predictors 1 to 3; grey, palette, RGB, CMYK and YCbCr, all to grey.
//
// Integers of up to 8 bits become 8-bit grey, others 16-bit, spread over the whole range where they have
// fewer bits; signed ones are moved up by half their range. Longer integers and floats are mapped so:
//
//	integers that all lie in 0..65535                      as they are
//	floats that all lie in 0..1, the largest at least 0.5  times 65535
//	anything else                                          the page's range of finite values to 0..65535
//	NaN, -Inf: 0; +Inf: 65535; an image of one value: 0
//
// It exists because golang.org/x/image/tiff shows no tags, where instruments keep the pixel size, and reads
// no BigTIFF. References: TIFF 6.0 (Adobe, 1992), TIFF Technical Notes 2 and 3, the BigTIFF layout of libtiff.
package tiff

import "errors"

// Kinds of failure. Errors of this package wrap one of them, except those of the reader or writer itself.
var (
	ErrFormat      = errors.New("not a valid TIFF")
	ErrTruncated   = errors.New("truncated TIFF")
	ErrUnsupported = errors.New("unsupported TIFF")
	ErrTooLarge    = errors.New("TIFF too large")
)

// Limits on what a file may ask for. They are checked before anything of that size is allocated.
const (
	MaxSide     = 32768   // px, width and height
	MaxPixels   = 1 << 30 // px
	MaxTagBytes = 8 << 20 // bytes of one tag's value
	MaxEntries  = 4096    // tags of one directory
	MaxPages    = 65536   // directories of one chain

	maxChainEntries = 1 << 20 // tags of all directories together
)
