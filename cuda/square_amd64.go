package cuda

import "golang.org/x/sys/cpu"

// wide says whether square512 runs here.
var wide = cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512BW //nolint:gochecknoglobals // the processor's

// square512 composes the displacements of n px whose own are at row, the first at (y, x), into dst, eight at a time,
// until fewer than eight are left or one of eight leads outside lo, 0 .. hy, hx. skip is how many px lie above u. It returns how many are done. It is
// squareRun with AVX-512, bit for bit.
//
//go:noescape
func square512(dst, row, u *vec, n, w, skip int, y, x, lo, hy, hx float32) int
