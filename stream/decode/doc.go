// Package decode turns image files into frames: grey pixels, what the instrument's metadata says, and the
// SHA-256 of the file. The format is decided by content, never by extension: TIFF, PNG, JPEG and PGM.
//
//	file ─▶ pooled bytes ─┬─▶ sha256
//	                      ├─▶ pixels  ─▶ pooled Gray8 or Gray16 ─▶ stream.Frame
//	                      └─▶ tags    ─▶ stream.Metadata
package decode

import "errors"

// Kinds of failure. Errors of this package name the file, the cause and the remedy in one line and wrap one
// of these, an error of package tiff, or one of the operating system.
var (
	ErrNotImage    = errors.New("not an image")
	ErrTruncated   = errors.New("truncated")
	ErrCorrupt     = errors.New("corrupt")
	ErrUnsupported = errors.New("unsupported")
	ErrTooSmall    = errors.New("too small")
	ErrTooLarge    = errors.New("too large")
)
