package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// drainTime is how long a stopping daemon works on frames it has already taken.
const drainTime = 30 * time.Second

// Daemon is the running program: sources, pipeline, store, publisher and listeners.
type Daemon struct {
	Config  Config
	Log     *zap.Logger
	OnFrame func(FrameDone)         // may be nil; called after each commit
	OnReady func(grpc, http string) // may be nil; called once, with the addresses listened on

	store     *reporting.Store
	analyser  *Analyser
	builder   reporting.Builder
	runs      *runs
	alerts    *alerts
	stats     *stats
	publisher *reporting.Publisher // nil without a broker
	push      *stream.PushServer
	grpc      *stream.GRPCListener // nil when switched off
	http      *healthServer        // nil when switched off
	folders   []*stream.Folder
	pipeline  *pipeline
}

// Run starts everything, works until ctx ends, drains and stops. It returns nil after a clean stop.
func (d *Daemon) Run(ctx context.Context) (err error) {
	start := time.Now()
	if err := d.open(ctx); err != nil {
		if errors.Is(err, ctx.Err()) { // nothing was taken yet
			d.Log.Info("stopped while starting")
			err = nil
		}
		return errors.Join(err, d.close())
	}
	defer func() { err = errors.Join(err, d.close()) }()
	g, gctx := errgroup.WithContext(ctx)
	// What carries results out outlives what brings frames in.
	outCtx, stopOut := context.WithCancel(context.WithoutCancel(ctx))
	defer stopOut()
	var out errgroup.Group
	if d.publisher != nil {
		out.Go(func() error { return d.publisher.Run(outCtx) })
	}
	if d.http != nil {
		out.Go(func() error { return d.http.Run(outCtx) })
	}
	arrivals := make(chan stream.Arrival)
	g.Go(func() error { return d.take(gctx, arrivals) })
	if d.grpc != nil {
		g.Go(func() error { return d.grpc.Run(gctx) })
	}
	g.Go(func() error { d.tend(gctx, start); return nil })
	worked := make(chan struct{})
	workCtx, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	go func() {
		defer close(worked)
		d.pipeline.Run(workCtx, arrivals)
	}()
	<-gctx.Done()
	d.Log.Info("stopping", zap.Float64("drain_at_most_s", drainTime.Seconds()))
	timer := time.AfterFunc(drainTime, stopWork)
	defer timer.Stop()
	err = g.Wait()
	<-worked
	d.runs.closeAll(outCtx)
	stopOut()
	err = errors.Join(err, out.Wait())
	d.Log.Info("stopped", zap.Error(err))
	return err
}

// take runs the sources and closes arrivals when all have stopped.
func (d *Daemon) take(ctx context.Context, arrivals chan<- stream.Arrival) error {
	defer close(arrivals)
	g, gctx := errgroup.WithContext(ctx)
	for i, f := range d.folders {
		into := arrivals
		if d.Config.Sources[i].Policy == "latest" {
			newest := make(chan stream.Arrival)
			into = newest
			g.Go(func() error {
				latest(newest, arrivals, func(a stream.Arrival) {
					d.pipeline.drop(context.WithoutCancel(ctx), a, "a newer frame came first")
				})
				return nil
			})
			g.Go(func() error { defer close(newest); return f.Run(gctx, newest) })
			continue
		}
		g.Go(func() error { return f.Run(gctx, into) })
	}
	g.Go(func() error { return d.push.Run(gctx, arrivals) })
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("source: %w", err)
	}
	return nil
}

// tend closes idle runs, keeps the gRPC health current and announces that the daemon is ready.
func (d *Daemon) tend(ctx context.Context, start time.Time) {
	const period = 500 * time.Millisecond
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	var once sync.Once
	announce := func() {
		grpcAddr, httpAddr := "off", "off"
		if d.grpc != nil {
			grpcAddr = d.grpc.Addr().String()
		}
		if d.http != nil {
			httpAddr = d.http.Addr()
		}
		if d.publisher != nil {
			d.publisher.SetOnline()
		}
		d.Log.Info("ready", zap.String("version", version()), zap.String("grpc", grpcAddr), zap.String("http", httpAddr),
			zap.String("provider", d.analyser.Model.Provider), zap.Float64("after_ms", ms(time.Since(start))))
		if d.OnReady != nil {
			d.OnReady(grpcAddr, httpAddr)
		}
	}
	for n := 0; ; n++ {
		state := readyState(d.parts())
		if d.grpc != nil {
			d.grpc.SetServing("", state.Ready)
			d.grpc.SetServing("aims.v1.FrameService", d.push.Ready() == nil)
			for _, f := range d.folders {
				d.grpc.SetServing(f.Name(), f.Ready() == nil)
			}
		}
		if state.Ready {
			once.Do(announce)
		}
		if n%4 == 0 {
			d.runs.expire(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// parts are what readiness depends on.
func (d *Daemon) parts() []part {
	parts := []part{{Name: "stream", Ready: d.push.Ready}}
	for _, f := range d.folders {
		parts = append(parts, part{Name: "source " + f.Name(), Ready: f.Ready})
	}
	if d.publisher != nil {
		parts = append(parts, part{Name: "mqtt", Degrades: true, Ready: d.publisher.Ready})
	}
	for name, err := range d.stats.current() {
		parts = append(parts, part{Name: name, Ready: func() error { return err }})
	}
	return parts
}

// describe fills in what the daemon knows of a run's batch.
func (d *Daemon) describe(b *reporting.Batch) {
	b.Site, b.Instrument, b.Version = d.Config.Site, d.Config.Instrument, version()
	b.ConfigHash, b.Model, b.Mode = d.analyser.ConfigHash, d.analyser.Model, ModeParticles
	for _, s := range d.Config.Sources {
		if s.Name == b.Run.Source {
			b.Mode = s.Mode
		}
	}
}

// close frees what open took.
func (d *Daemon) close() error {
	var errs []error
	if d.grpc != nil {
		_ = d.grpc.Close()
	}
	if d.analyser != nil {
		errs = append(errs, d.analyser.Close())
	}
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	return errors.Join(errs...)
}
