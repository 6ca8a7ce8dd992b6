// Package tiff reads and writes the TIFF files of microscopes: every tag of every directory, classic and
// BigTIFF, the first page as grey pixels or as label ids, and whether a file is completely written.
//
// It exists because golang.org/x/image/tiff shows no tags, where instruments keep the pixel size, and reads
// no BigTIFF. References: TIFF 6.0 (Adobe, 1992), TIFF Technical Note 2, the BigTIFF layout of libtiff.
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
