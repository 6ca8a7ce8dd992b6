package cuda

import (
	"context"
	"fmt"
	"math"
)

var _ Dynamics = (*Kernels)(nil)

// Kernels is the dynamics as a sequence of kernel launches on a machine. It serves one goroutine and keeps
// the machine's memory from frame to frame.
type Kernels struct {
	Params  Params
	Machine Machine

	frame, objects region
}

// Labels implements Dynamics. The field is only read. An error of the machine is a DeviceError.
func (k *Kernels) Labels(ctx context.Context, f Field) (*Segments, error) {
	n := f.Width * f.Height
	if f.Width < 2 || f.Height < 2 || n > math.MaxInt32 {
		return nil, fmt.Errorf("cuda: a field of %dx%d px is outside 2x2 .. 2^31 px", f.Width, f.Height)
	}
	if len(f.Dy) != n || len(f.Dx) != n || len(f.Logit) != n || len(f.Size) != n {
		return nil, fmt.Errorf("cuda: field planes do not have %dx%d values", f.Width, f.Height)
	}
	if k.Params.Euler > 0 {
		return nil, deviceError(fmt.Errorf("the reference mode of %d steps has no kernels", k.Params.Euler))
	}
	l := layOut(n)
	if err := k.frame.grow(k.Machine, l.bytes, fmt.Sprintf("a field of %dx%d px", f.Width, f.Height)); err != nil {
		return nil, deviceError(err)
	}
	l.at(k.frame.address)
	s := &sequence{Machine: k.Machine, ctx: ctx, layout: l, w: f.Width, h: f.Height, n: n, scale: 1 / k.Params.FlowScale}
	s.upload(l.dy, f.Dy)
	s.upload(l.dx, f.Dx)
	s.upload(l.logit, f.Logit)
	s.upload(l.size, f.Size)
	s.flow(k.Params.Squarings)
	label, parent := s.spare, s.spare+uint64(4*n)
	s.sinks(label, parent, min(max(k.Params.MinSink, 1), math.MaxUint8))
	s.label(label, parent, max(k.Params.MinArea, 1))
	s.fill(label, parent)
	objects := s.measure(label, s.total(), &k.objects)
	out := &Segments{Width: f.Width, Height: f.Height, Labels: make([]int32, n), Objects: objects}
	s.download(out.Labels, label)
	if s.err != nil {
		return nil, s.err
	}
	return out, nil
}

// Release gives the machine's memory back; the next frame takes it again.
func (k *Kernels) Release() error {
	err := k.frame.release(k.Machine)
	if e := k.objects.release(k.Machine); err == nil {
		err = e
	}
	return deviceError(err)
}

// sequence is the launches for one frame. After the first error, or when ctx is done, nothing more happens.
type sequence struct {
	Machine
	layout
	ctx     context.Context
	w, h, n int
	scale   float32 // 1/FlowScale
	err     error
}

func (s *sequence) run(kernel string, items int, args ...uint64) {
	if s.ok() {
		if err := s.Launch(kernel, items, args...); err != nil {
			s.err = &DeviceError{fmt.Errorf("%s: %w", kernel, err)}
		}
	}
}

func (s *sequence) ok() bool {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	return s.err == nil
}

func (s *sequence) upload(to uint64, from []float32) {
	if s.ok() {
		if err := s.Upload(to, bytesOf(from)); err != nil {
			s.err = &DeviceError{fmt.Errorf("upload: %w", err)}
		}
	}
}

func (s *sequence) download(to []int32, from uint64) {
	if s.ok() {
		if err := s.Download(bytesOf(to), from); err != nil {
			s.err = &DeviceError{fmt.Errorf("download: %w", err)}
		}
	}
}

func (s *sequence) clear(address uint64, n int) { s.run("clear", n, address, intArg(n)) }

// flow walks 2^squarings steps; the displacement is in u.
func (s *sequence) flow(squarings int) {
	w, h, n := intArg(s.w), intArg(s.h), intArg(s.n)
	s.run("flow_start", s.n, s.u, s.dy, s.dx, s.logit, floatArg(s.scale), n)
	for range squarings {
		s.run("flow_square", s.n, s.spare, s.u, s.logit, w, h)
		s.u, s.spare = s.spare, s.u
	}
}

// sinks leaves every foreground pixel's sink in label, and the roots of the sinks' components in parent.
func (s *sequence) sinks(label, parent uint64, minSink int) {
	w, h, n := intArg(s.w), intArg(s.h), intArg(s.n)
	s.run("sink_find", s.n, label, s.u, s.logit, w, h)
	s.clear(s.count, s.n)
	s.run("count_by", spans(s.n), s.count, label, n)
	s.run("sink_dilate", s.n, parent, s.count, intArg(minSink), w, h)
	s.components(parent, 1)
}

// components replaces every pixel's parent by the root of its component.
func (s *sequence) components(parent uint64, diagonal int) {
	w, h, n := intArg(s.w), intArg(s.h), intArg(s.n)
	s.run("union_heads", spans(s.n), parent, w, n)
	s.run("union_merge", s.n, parent, w, h, intArg(diagonal))
	s.run("union_flatten", s.n, parent, n)
}

// label turns sinks into labels of minArea px or more, numbered without gaps in the order of their
// components' first pixels. It uses parent up.
func (s *sequence) label(label, parent uint64, minArea int) {
	n, least := intArg(s.n), intArg(minArea)
	s.run("label_gather", s.n, label, parent, n)
	s.clear(s.count, s.n)
	s.run("count_by", spans(s.n), s.count, label, n)
	s.clear(s.levels[0].address, s.levels[0].n)
	s.run("kept_count", s.n, s.levels[0].address, s.count, least, n)
	s.scan()
	s.run("kept_number", s.n, parent, s.count, s.levels[0].address, least, n)
	s.run("label_number", s.n, label, parent, n)
}

// scan replaces every count of the lowest level by the sum of those before it.
func (s *sequence) scan() {
	for i, l := range s.levels[1:] {
		below := s.levels[i]
		s.run("scan_sum", l.n, l.address, below.address, intArg(below.n))
	}
	base := uint64(0)
	for i := len(s.levels) - 1; i >= 0; i-- {
		l := s.levels[i]
		s.run("scan_add", chunks(l.n), l.address, base, intArg(l.n))
		base = l.address
	}
}

// total is the number of labels, after label.
func (s *sequence) total() int {
	var n [1]int32
	s.download(n[:], s.levels[0].address+uint64(4*(s.levels[0].n-1)))
	return int(n[0])
}

// fill gives holes to the objects around them.
func (s *sequence) fill(label, parent uint64) {
	w, h, n := intArg(s.w), intArg(s.h), intArg(s.n)
	s.run("hole_start", s.n, parent, label, n)
	s.components(parent, 0)
	s.clear(s.count, s.n)
	s.run("hole_touch", s.n, s.count, parent, label, w, h)
	s.run("hole_fill", s.n, label, s.count, parent, n)
}

// measure returns the objects of labels 1 to count.
func (s *sequence) measure(label uint64, count int, memory *region) []Object {
	objects := make([]Object, count)
	if !s.ok() || count == 0 {
		return objects
	}
	if err := memory.grow(s.Machine, int64(count)*tallyBytes, fmt.Sprintf("a table of %d objects", count)); err != nil {
		s.err = deviceError(err)
		return objects
	}
	s.run("object_clear", count, memory.address, intArg(count))
	s.run("object_sum", spans(s.n), memory.address, label, s.u, s.dy, s.dx, s.logit, s.size, floatArg(s.scale),
		intArg(s.w), intArg(s.n))
	tallies := make([]tally, count)
	if s.ok() {
		if err := s.Download(bytesOf(tallies), memory.address); err != nil {
			s.err = &DeviceError{fmt.Errorf("download: %w", err)}
		}
	}
	for i, t := range tallies {
		objects[i] = t.object()
	}
	return objects
}
