package infer

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/uni-aims/aimsd/cuda"
	"github.com/uni-aims/aimsd/infer/models"
)

// Channels of a prediction: dy, dx (times 5), foreground logit, log2(diameter / 32 px).
const Channels = 4

// NetworkStride is what the sides of a network's input must be multiples of, px.
const NetworkStride = 32

// Network predicts a flow field.
type Network interface {
	// Predict runs the network on one normalised image of w x h px, both multiples of NetworkStride, and
	// writes Channels planes of w*h to out. It is not safe for concurrent use.
	Predict(ctx context.Context, image []float32, w, h int, out []float32) error
}

// Laned is a network that also comes as several that run at the same time, each on a core of its own: faster
// where there are several tiles, slower where there is one.
type Laned interface{ Lanes() []Network }

var (
	_ Network = (*Session)(nil)
	_ Laned   = (*Session)(nil)
	_ Network = (*lane)(nil)
)

// SessionOptions say how a network runs.
type SessionOptions struct {
	Library  string // path of ONNX Runtime's shared library; "" looks for it
	Provider string // auto, cpu, cuda
	Model    models.Model
	Threads  int  // 0: all cores
	Warm     bool // run it before the first frame does
}

// Session is a network in ONNX Runtime. On a CPU it has two forms: one that runs a tile on all cores, for the least
// latency, and one of which every core runs a tile of its own, for the most throughput.
type Session struct {
	Provider string // what runs it: cpu or cuda
	Why      string // why this provider and precision, for people
	Network  models.Network
	Library  string
	packed   bool // in and out are blocks of bytes (packed.go)
	all      *lane
	lanes    []Network
	open     []*ort.DynamicAdvancedSession
}

// lane is a network of which one tile at a time is on its way, with its buffers.
type lane struct {
	session *ort.DynamicAdvancedSession
	packed  bool
	in      []uint8
	out     []float32
	host    *host // of a GPU
}

// environment guards ONNX Runtime's environment, of which a process has one.
var environment sync.Mutex //nolint:gochecknoglobals // mirrors the library's own process-wide state

// OpenSession loads the library (once per process) and the model.
func OpenSession(o SessionOptions) (*Session, error) {
	path := o.Library
	if path == "" {
		var err error
		if path, err = FindLibrary(); err != nil {
			return nil, err
		}
	}
	if err := loadLibrary(path); err != nil {
		return nil, err
	}
	s := &Session{Library: path}
	why := "asked for"
	if o.Provider != "cpu" {
		err := s.start(o, "cuda")
		if err == nil {
			return s, nil
		}
		if o.Provider == "cuda" {
			return nil, err
		}
		why = err.Error()
	}
	if err := s.start(o, "cpu"); err != nil {
		return nil, err
	}
	s.Why = "cpu: " + why + "; " + s.Why
	return s, nil
}

func loadLibrary(path string) error {
	environment.Lock()
	defer environment.Unlock()
	if ort.IsInitialized() {
		return nil
	}
	ort.SetSharedLibraryPath(path)
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		return fmt.Errorf("%w: %s does not load: %w; it must be version 1.24 or newer, fetch it with: %s",
			ErrNoLibrary, path, err, FetchCommand)
	}
	return nil
}

func (s *Session) start(o SessionOptions, provider string) error {
	threads := o.Threads
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	s.Provider = provider
	s.Network, s.Why = form(o.Model, provider)
	s.packed = models.Input(s.Network.ONNX) == packedInput
	all, err := s.create(provider, threads)
	if err != nil {
		return err
	}
	s.all = s.lane(all)
	if provider == "cuda" {
		s.pin(cuda.Pinned)
	} else if threads > 1 {
		one, err := s.create(provider, 1)
		if err != nil {
			return errors.Join(err, s.Close())
		}
		for range threads {
			s.lanes = append(s.lanes, s.lane(one))
		}
	}
	if o.Warm {
		if err := s.warm(context.Background()); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	return nil
}

func (s *Session) lane(session *ort.DynamicAdvancedSession) *lane {
	return &lane{session: session, packed: s.packed}
}

// pin gives a GPU's session its buffers, page-locked ones where they can be had.
func (s *Session) pin(alloc func(int) ([]byte, func() error, error)) {
	s.all.host = &host{granule: gpuGranule, alloc: alloc}
	if err := s.all.host.grow((1 + Channels) * gpuGranule * gpuGranule); err != nil {
		s.Why += "; copies to the GPU take longer: " + err.Error()
		return
	}
	s.Why += "; buffers are page-locked"
}

// Names of the inputs and outputs of both forms of a network's file.
const (
	plainInput, plainOutput   = "image", "field"
	packedInput, packedOutput = "packed", "packed_field"
)

// create makes a session of the network.
func (s *Session) create(provider string, threads int) (*ort.DynamicAdvancedSession, error) {
	opts, err := ort.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("create session options: %w", err)
	}
	defer opts.Destroy() //nolint:errcheck // frees memory only
	err = errors.Join(
		opts.SetIntraOpNumThreads(threads),
		opts.SetInterOpNumThreads(1),
		opts.SetGraphOptimizationLevel(ort.GraphOptimizationLevelEnableAll),
		// neither an idle daemon nor threads that wait must burn a core beside the microscope and the other stages
		opts.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
		opts.AddSessionConfigEntry("session.set_denormal_as_zero", "1"),
	)
	if err != nil {
		return nil, fmt.Errorf("set session options: %w", err)
	}
	if provider == "cuda" {
		if err := appendCUDA(opts, s.Library); err != nil {
			return nil, err
		}
	}
	in, out := plainInput, plainOutput
	if s.packed {
		in, out = packedInput, packedOutput
	}
	session, err := ort.NewDynamicAdvancedSessionWithONNXData(s.Network.ONNX, []string{in}, []string{out}, opts)
	if err != nil {
		return nil, fmt.Errorf("load model: %w; it must be ONNX with input \"image\" [n,1,h,w] and output \"field\" [n,4,h,w]", err)
	}
	s.open = append(s.open, session)
	return session, nil
}

// Predict implements Network: one tile on all cores.
func (s *Session) Predict(ctx context.Context, image []float32, w, h int, out []float32) error {
	return s.all.Predict(ctx, image, w, h, out)
}

// Lanes implements Laned; none where one core is allowed or a GPU does the work.
func (s *Session) Lanes() []Network { return s.lanes }

// Predict implements Network.
func (l *lane) Predict(ctx context.Context, image []float32, w, h int, out []float32) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var err error
	switch {
	case l.packed:
		err = l.runPacked(image, w, h, out)
	case l.host != nil:
		err = l.host.run(image, w, h, out, l.run)
	default:
		err = l.run(image, w, h, out)
	}
	if err != nil {
		return fmt.Errorf("run network on %dx%d px: %w", w, h, err)
	}
	return nil
}

func (l *lane) run(image []float32, w, h int, out []float32) error {
	in, err := ort.NewTensor(ort.NewShape(1, 1, int64(h), int64(w)), image)
	if err != nil {
		return fmt.Errorf("input: %w", err)
	}
	defer in.Destroy() //nolint:errcheck // frees memory only
	field, err := ort.NewTensor(ort.NewShape(1, Channels, int64(h), int64(w)), out)
	if err != nil {
		return fmt.Errorf("output: %w", err)
	}
	defer field.Destroy() //nolint:errcheck // frees memory only
	return l.session.Run([]ort.Value{in}, []ort.Value{field})
}

func (l *lane) runPacked(image []float32, w, h int, out []float32) error {
	blocks := w / 2 * h / 2
	l.in, l.out = grown(l.in, blocks*packedIn), grown(l.out, blocks*packedOut)
	pack(l.in, image, w, h)
	in, err := ort.NewTensor(ort.NewShape(1, int64(h/2), int64(w/2), packedIn), l.in)
	if err != nil {
		return fmt.Errorf("input: %w", err)
	}
	defer in.Destroy() //nolint:errcheck // frees memory only
	field, err := ort.NewTensor(ort.NewShape(1, int64(blocks), packedOut), l.out)
	if err != nil {
		return fmt.Errorf("output: %w", err)
	}
	defer field.Destroy() //nolint:errcheck // frees memory only
	if err := l.session.Run([]ort.Value{in}, []ort.Value{field}); err != nil {
		return err
	}
	unpack(out, l.out, w, h)
	return nil
}

// grown returns a slice of n values, the old one where it is large enough.
func grown[T any](old []T, n int) []T {
	if cap(old) < n {
		return make([]T, n)
	}
	return old[:n]
}

// Close frees the session. The library stays loaded.
func (s *Session) Close() error {
	var err error
	for _, session := range s.open {
		err = errors.Join(err, session.Destroy())
	}
	s.open, s.lanes = nil, nil
	if s.all != nil && s.all.host != nil {
		err = errors.Join(err, s.all.host.Close())
		s.all.host = nil
	}
	return err
}
