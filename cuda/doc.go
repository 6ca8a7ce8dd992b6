// Package cuda is pixel dynamics: from a flow field to labels. It imports nothing of ours: slices and
// values in, slices and values out. Host is the Go twin of the kernels and runs on all cores; Device runs the
// kernels on a GPU; both give equal bits, and Choose takes one.
//
//	field ─▶ displacement ─▶ squaring ×8 ─▶ sinks ─▶ sink components ─▶ labels ─▶ small out, holes filled ─▶ objects
//
// Flow squaring composes the displacement with itself, u(x) ← u(x) + u(x+u(x)), so that eight passes walk
// 256 steps; the interpolation averages neighbours, which takes the noise out of the flow.
package cuda
