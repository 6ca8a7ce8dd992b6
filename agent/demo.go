package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream/decode"
	"github.com/uni-aims/aimsd/stream/simulate"
)

// demoSize is the side of a demo frame, px.
const demoSize = 1024

// demo runs the whole product on one machine: a simulated microscope, the daemon, a broker, a subscriber.
type demo struct {
	Frames   int
	For      time.Duration // > 0: instead of Frames
	Seed     uint64
	Provider string
	Stdout   io.Writer

	mu     sync.Mutex
	truths map[string]demoTruth // by file name
	done   map[string]FrameDone // by file name
	each   chan struct{}        // has a value when a frame was done
}

// demoTruth is what a frame really shows, measured as the daemon measures.
type demoTruth struct {
	objects int
	nmPerPx float64
	d50nm   float64
	sizes   reporting.Sizes
}

// Run runs the demo. It returns a failedError when the measurements miss the truth.
func (d *demo) Run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "aimsd-demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	kept := false
	defer func() {
		if !kept { // nothing was shown that is worth keeping
			_ = os.RemoveAll(dir)
		}
	}()
	d.truths, d.done, d.each = map[string]demoTruth{}, map[string]FrameDone{}, make(chan struct{}, 1)
	broker, err := startDemoBroker()
	if err != nil {
		return err
	}
	defer broker.Close()
	messages, err := subscribeFrames(broker.URL)
	if err != nil {
		return err
	}
	defer messages.Close()
	log, closeLog, err := fileLogger(filepath.Join(dir, "daemon.log"))
	if err != nil {
		return err
	}
	defer closeLog()
	watched := filepath.Join(dir, "microscope", simulate.FramesDir)
	if err := os.MkdirAll(watched, 0o750); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	daemonCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ready := make(chan struct{})
	daemon := &Daemon{
		Config: demoConfig(dir, watched, broker.URL, d.Provider), Log: log,
		OnFrame: d.frame, OnReady: func(string, string) { close(ready) },
	}
	ended := make(chan error, 1)
	go func() { ended <- daemon.Run(daemonCtx) }()
	select {
	case <-ready:
	case err := <-ended:
		return err
	case <-ctx.Done():
		stop()
		return errors.Join(ctx.Err(), <-ended)
	}
	kept = true
	fmt.Fprintf(d.Stdout, "aimsd demo %s\n\n  microscope  writes %dx%d frames of sample %d (--seed) into %s\n  broker      %s (topic aims/v1/demo/sim-sem/#)\n  daemon log  %s\n\n",
		version(), demoSize, demoSize, d.Seed, watched, broker.URL, filepath.Join(dir, "daemon.log"))
	err = d.play(ctx, dir)
	d.settle(ctx)
	messages.WaitFor(d.count(), 10*time.Second)
	stop()
	err = errors.Join(err, <-ended)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return d.verdict(messages.Frames(), reportIn(dir))
}

func demoConfig(dir, watched, broker, provider string) Config {
	c := DefaultConfig()
	c.Site, c.Instrument, c.DataDir = "demo", "sim-sem", filepath.Join(dir, "data")
	s := defaultSource()
	s.Name, s.Path, s.Backlog = "microscope", watched, "process"
	c.Sources = []SourceConfig{s}
	c.GRPC.Listen, c.HTTP.Listen = "127.0.0.1:0", "127.0.0.1:0"
	c.MQTT.URL = broker
	c.Infer.Provider = provider
	return c
}

// play runs the microscope. A new frame appears at most every second, and not before the daemon has all
// but two of the earlier ones: an operator watches, nobody races.
func (d *demo) play(ctx context.Context, dir string) error {
	scene, err := simulate.New("particles", demoSize, demoSize, d.Seed)
	if err != nil {
		return err
	}
	start := time.Now()
	fmt.Fprintf(d.Stdout, "  %-28s %15s %21s %24s %9s\n", "frame", "objects (true)", "D50 nm (true)", "scale nm/px", "latency")
	for i := 1; ; i++ {
		if d.For > 0 && time.Since(start) >= d.For || d.For == 0 && i > d.Frames {
			return nil
		}
		next := time.After(time.Second)
		m := simulate.Microscope{Dir: filepath.Join(dir, "microscope"), Scene: scene, Frames: 1, Start: i}
		var learned error
		err = m.Run(ctx, func(w simulate.Written) { learned = d.learn(w) })
		if err := errors.Join(err, learned); err != nil {
			return err
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
		for d.behind() > 2 {
			select {
			case <-d.each:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// learn measures the true labels of a frame.
func (d *demo) learn(w simulate.Written) error {
	labels, width, height, err := decode.Labels(w.Labels)
	if err != nil {
		return err
	}
	opt := metrics.Options{NmPerPx: w.Truth.NmPerPx, Analysed: metrics.Rect{X1: width, Y1: w.Truth.ImageRows}}
	objects, err := metrics.Measure(labels, width, height, opt)
	if err != nil {
		return err
	}
	an := Analysis{Objects: objects}
	t := demoTruth{objects: len(objects), nmPerPx: w.Truth.NmPerPx, sizes: an.sizes()}
	t.d50nm = d50(pooled(nil, t.sizes, t.nmPerPx))
	d.mu.Lock()
	defer d.mu.Unlock()
	d.truths[filepath.Base(w.Path)] = t
	return nil
}

// frame prints one finished frame.
func (d *demo) frame(f FrameDone) {
	d.mu.Lock()
	// the truth is written before the frame, but learned after it: wait for it without holding up the daemon
	d.done[f.Record.Name] = f
	d.mu.Unlock()
	select {
	case d.each <- struct{}{}:
	default:
	}
	if f.Result == nil {
		fmt.Fprintf(d.Stdout, "  %-28s %s: %s\n", f.Record.Name, f.Record.State, f.Record.Reason)
		return
	}
	t := d.truthOf(f.Record.Name)
	d50, scale := "unknown", "unknown"
	if p := f.Result.Statistics["ecd_nm"].P50; p != nil {
		d50 = fmt.Sprintf("%.1f (%.1f)", *p, t.d50nm)
	}
	if nm := f.Result.Scale.NmPerPx; nm != nil {
		scale = fmt.Sprintf("%.4f from %s", *nm, f.Result.Scale.Source)
	}
	fmt.Fprintf(d.Stdout, "  %-28s %15s %21s %24s %7.2f s\n", f.Record.Name,
		fmt.Sprintf("%d (%d)", f.Result.Objects, t.objects), d50, scale, f.Latency.Seconds())
}

// truthOf waits a moment for a frame's truth.
func (d *demo) truthOf(name string) demoTruth {
	for range 200 {
		d.mu.Lock()
		t, ok := d.truths[name]
		d.mu.Unlock()
		if ok {
			return t
		}
		time.Sleep(10 * time.Millisecond)
	}
	return demoTruth{}
}

func (d *demo) behind() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.truths) - len(d.done)
}

func (d *demo) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.truths)
}

// settle waits until every frame is done, for as long as frames keep coming out.
func (d *demo) settle(ctx context.Context) {
	for d.behind() > 0 {
		select {
		case <-d.each:
		case <-ctx.Done():
			return
		case <-time.After(time.Minute):
			return
		}
	}
}

// fileLogger logs as JSON into a file.
func fileLogger(path string) (*zap.Logger, func(), error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, nil, fmt.Errorf("demo: %w", err)
	}
	cfg := zap.NewProductionEncoderConfig()
	cfg.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(cfg), zapcore.AddSync(f), zapcore.InfoLevel))
	return log, func() { _ = f.Close() }, nil
}
