package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/decode"
)

// benchSource is the name of the source that brings the frames of a benchmark.
const benchSource = "bench"

// bench takes frames one at a time through the pipeline of a daemon that is set up as always, with a store of its own
// in a temporary folder, and looks at the time.
//
//	file ─▶ arrival ─▶ pipeline (decode, analyse, write, commit) ─▶ done
type bench struct {
	Infer InferConfig

	dir       string // everything is in it
	daemon    *Daemon
	reference float64 // 10^9 float32 operations per second
	arrivals  chan stream.Arrival
	done      chan FrameDone
	failed    chan string // why a frame will not be done
	commits   time.Time   // when the pipeline began the last commit
	taken     int         // frames that were brought
	closers   []func() error
}

// Open makes the temporary folder and starts the daemon's pipeline.
func (b *bench) Open(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "aimsd-bench-"); err != nil {
		return fmt.Errorf("bench: %w; set TMPDIR to a folder that can be written", err)
	}
	b.closers = append(b.closers, func() error { return os.RemoveAll(b.dir) })
	b.arrivals, b.done, b.failed = make(chan stream.Arrival), make(chan FrameDone, 1), make(chan string, 1)
	c := DefaultConfig()
	c.Site, c.Instrument, c.DataDir = benchSource, benchSource, filepath.Join(b.dir, "data")
	c.GRPC.Listen, c.HTTP.Listen, c.Infer = "", "", b.Infer
	b.daemon = &Daemon{Config: c, Log: b.log(), OnFrame: func(f FrameDone) { b.done <- f }}
	b.closers = append(b.closers, b.daemon.close)
	if err := b.daemon.open(ctx); err != nil {
		return err
	}
	if b.reference, err = referenceGFLOPS(ctx, b.dir, b.Infer.Threads); err != nil {
		return err
	}
	b.daemon.pipeline.Now = func() time.Time { // asked when a commit begins, last of all
		b.commits = time.Now()
		return b.commits
	}
	workCtx, stop := context.WithCancel(ctx)
	worked, kept := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(kept)
		if e := b.daemon.evidence; e != nil {
			e.Run(workCtx)
		}
	}()
	go func() {
		defer close(worked)
		b.daemon.pipeline.Run(workCtx, b.arrivals)
	}()
	b.closers = append(b.closers, func() error {
		close(b.arrivals)
		stop()
		<-worked
		<-kept
		return nil
	})
	return nil
}

// Close ends everything and removes the folder.
func (b *bench) Close() error {
	var errs []error
	for i := len(b.closers) - 1; i >= 0; i-- {
		errs = append(errs, b.closers[i]())
	}
	b.closers = nil
	return errors.Join(errs...)
}

// threads is how many the network runs on.
func (b *bench) threads() int {
	if b.Infer.Threads > 0 {
		return b.Infer.Threads
	}
	return runtime.GOMAXPROCS(0)
}

// log is silent, but for what keeps a frame from being done: that ends the benchmark.
func (b *bench) log() *zap.Logger {
	encoder := zapcore.NewConsoleEncoder(zapcore.EncoderConfig{MessageKey: "message", LineEnding: "\n"})
	return zap.New(zapcore.NewCore(encoder, zapcore.AddSync(failure(b.failed)), zapcore.ErrorLevel))
}

// failure takes the first line of a log.
type failure chan string

func (f failure) Write(line []byte) (int, error) {
	select {
	case f <- string(line):
	default:
	}
	return len(line), nil
}

// frame takes one frame through the pipeline, alone in it.
func (b *bench) frame(ctx context.Context, path string) (s benchSample, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return s, fmt.Errorf("bench: %w", err)
	}
	b.taken++
	a := stream.Arrival{Receipt: stream.Receipt{
		Source: benchSource, Key: fmt.Sprint(b.taken), Path: path, Name: filepath.Base(path), Size: info.Size(), ModTime: time.Now(),
	}}
	d := b.daemon
	if a.Admission, err = (journal{d.store, d.runs, nil, d.stats}).Admit(ctx, a.Receipt); err != nil {
		return s, fmt.Errorf("bench: %w", err)
	}
	var opened, decoded, analysed, settled time.Time
	a.Open = func(ctx context.Context) (*stream.Frame, error) {
		opened = time.Now()
		f, err := new(decode.Decoder).Frame(ctx, path, 0)
		decoded = time.Now()
		return f, err
	}
	a.Passed = func() { analysed = time.Now() }
	a.Settle = func(stream.Outcome) { settled = time.Now() }
	select {
	case b.arrivals <- a:
	case <-ctx.Done():
		return s, ctx.Err()
	}
	var f FrameDone
	select {
	case f = <-b.done:
	case why := <-b.failed:
		return s, failedError{"bench: " + why}
	case <-ctx.Done():
		return s, ctx.Err()
	}
	d.pipeline.exchange(func() {}) // the pipeline has let go of the frame
	if f.Result == nil {
		return s, failedError{"bench: " + path + " was not analysed: " + f.Record.Reason}
	}
	t := f.Result.TimingsMs
	s.objects, s.px = f.Result.Objects, f.Result.Image.Width*f.Result.Image.Height
	s.ms = map[string]float64{
		"decode": ms(decoded.Sub(opened)), "scale": t.Scale, "normalise": t.Normalise, "infer": t.Infer, "stitch": t.Stitch,
		"dynamics": t.Dynamics, "measure": t.Measure, "write": ms(b.commits.Sub(analysed)), "commit": ms(settled.Sub(b.commits)),
		stageTotal: ms(settled.Sub(opened)),
	}
	return s, nil
}
