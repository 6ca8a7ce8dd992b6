package infer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

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

var _ Network = (*Session)(nil)

// SessionOptions say how a network runs.
type SessionOptions struct {
	Library  string // path of ONNX Runtime's shared library; "" looks for it
	Provider string // auto, cpu, cuda
	Model    models.Model
	Threads  int // 0: all cores
}

// Session is a network in ONNX Runtime.
type Session struct {
	Provider string // what runs it: cpu or cuda
	Why      string // why this provider and precision, for people
	Network  models.Network
	Library  string
	session  *ort.DynamicAdvancedSession
}

// environment guards ONNX Runtime's environment, of which a process has one.
var environment sync.Mutex //nolint:gochecknoglobals // mirrors the library's own process-wide state

// ErrNoCUDA says that the CUDA provider was asked for and cannot be had.
var ErrNoCUDA = errors.New("ONNX Runtime's CUDA provider cannot be used")

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
		err := s.open(o, "cuda")
		if err == nil {
			return s, nil
		}
		if o.Provider == "cuda" {
			return nil, err
		}
		why = err.Error()
	}
	if err := s.open(o, "cpu"); err != nil {
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

func (s *Session) open(o SessionOptions, provider string) error {
	opts, err := ort.NewSessionOptions()
	if err != nil {
		return fmt.Errorf("create session options: %w", err)
	}
	defer opts.Destroy() //nolint:errcheck // frees memory only
	threads := o.Threads
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	err = errors.Join(
		opts.SetIntraOpNumThreads(threads),
		opts.SetInterOpNumThreads(1),
		opts.SetGraphOptimizationLevel(ort.GraphOptimizationLevelEnableAll),
		// an idle daemon must not burn a core beside the microscope
		opts.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
		opts.AddSessionConfigEntry("session.set_denormal_as_zero", "1"),
	)
	if err != nil {
		return fmt.Errorf("set session options: %w", err)
	}
	if provider == "cuda" {
		if err := appendCUDA(opts, s.Library); err != nil {
			return err
		}
	}
	s.Provider = provider
	s.Network, s.Why = form(o.Model, provider)
	s.session, err = ort.NewDynamicAdvancedSessionWithONNXData(s.Network.ONNX, []string{"image"}, []string{"field"}, opts)
	if err != nil {
		return fmt.Errorf("load model: %w; it must be ONNX with input \"image\" [n,1,h,w] and output \"field\" [n,4,h,w]", err)
	}
	return nil
}

// appendCUDA adds the CUDA provider when its plug-in lies beside the library.
func appendCUDA(opts *ort.SessionOptions, library string) error {
	plugin := filepath.Join(filepath.Dir(library), "libonnxruntime_providers_cuda.so")
	if _, err := os.Stat(plugin); err != nil {
		return fmt.Errorf("%w: %s is missing; put ONNX Runtime's GPU libraries beside %s, or use provider cpu",
			ErrNoCUDA, filepath.Base(plugin), filepath.Base(library))
	}
	cuda, err := ort.NewCUDAProviderOptions()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoCUDA, err)
	}
	defer cuda.Destroy() //nolint:errcheck // frees memory only
	// HEURISTIC: the default tries every convolution algorithm anew for each input shape
	if err := cuda.Update(map[string]string{"cudnn_conv_algo_search": "HEURISTIC"}); err != nil {
		return fmt.Errorf("%w: %w", ErrNoCUDA, err)
	}
	if err := opts.AppendExecutionProviderCUDA(cuda); err != nil {
		return fmt.Errorf("%w: %w", ErrNoCUDA, err)
	}
	return nil
}

// Predict implements Network.
func (s *Session) Predict(ctx context.Context, image []float32, w, h int, out []float32) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	in, err := ort.NewTensor(ort.NewShape(1, 1, int64(h), int64(w)), image)
	if err != nil {
		return fmt.Errorf("network input of %dx%d: %w", w, h, err)
	}
	defer in.Destroy() //nolint:errcheck // frees memory only
	field, err := ort.NewTensor(ort.NewShape(1, Channels, int64(h), int64(w)), out)
	if err != nil {
		return fmt.Errorf("network output of %dx%d: %w", w, h, err)
	}
	defer field.Destroy() //nolint:errcheck // frees memory only
	if err := s.session.Run([]ort.Value{in}, []ort.Value{field}); err != nil {
		return fmt.Errorf("run network on %dx%d px: %w", w, h, err)
	}
	return nil
}

// Close frees the session. The library stays loaded.
func (s *Session) Close() error {
	if s.session == nil {
		return nil
	}
	return s.session.Destroy()
}
