package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
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
	Notify  *notifier               // nil: no service manager listens
	Watched bool                    // somebody sits before it: no start waits because others came to nothing

	// What a changed configuration is taken up with; Config is what the daemon starts with.
	Load       func() (Config, error) // reads it; nil: it never changes
	ConfigPath string                 // its file, watched; "": there is none
	Reload     <-chan struct{}        // asks for it; may be nil
	SetLevel   func(string)           // of the log; may be nil

	openAnalyser func(context.Context, InferConfig) (*Analyser, error) // tests; nil: openTested

	storage
	store     *reporting.Store
	live      atomic.Pointer[settings]
	seen      fileStates // of the configuration and the model
	starts    *starts
	settled   sync.Once // starts ended well
	concerns  concerns
	builder   reporting.Builder
	runs      *runs
	alerts    *alerts
	millings  *millings
	feedback  *reporting.FeedbackService
	steering  *steering
	evidence  *evidence // nil: none is made
	stats     *stats
	publisher *reporting.Publisher // nil without a broker
	push      *stream.PushServer
	lanes     streamLanes
	urgent    chan stream.Arrival  // what does not wait behind other arrivals
	grpc      *stream.GRPCListener // nil when switched off
	http      *healthServer        // nil when switched off
	sources   *sourceSet
	pipeline  *pipeline
}

// Run starts everything, works until ctx ends, drains and stops. It returns nil after a clean stop.
func (d *Daemon) Run(ctx context.Context) (err error) {
	start := time.Now()
	if err := d.open(ctx); err != nil {
		if errors.Is(err, ctx.Err()) { // nothing was taken yet
			d.Log.Info("stopped while starting")
			err = nil
			d.settle(time.Now())
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
	out.Go(func() error { d.watchStorage(outCtx); return nil })
	if d.evidence != nil {
		out.Go(func() error { d.evidence.Run(outCtx); return nil })
	}
	arrivals := make(chan stream.Arrival)
	g.Go(func() error { return d.take(gctx, arrivals) })
	if d.grpc != nil {
		g.Go(func() error { return d.grpc.Run(gctx) })
	}
	defer context.AfterFunc(gctx, d.feedback.Close)()
	g.Go(func() error { d.steering.Run(gctx); return nil })
	g.Go(func() error { d.tend(gctx, start); return nil })
	g.Go(func() error { d.keepHouse(gctx); return nil })
	g.Go(func() error { d.mind(gctx, start); return nil })
	g.Go(func() error { d.watchReload(gctx); return nil })
	g.Go(func() error { return d.endOnDamage(gctx) })
	worked := make(chan struct{})
	workCtx, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	go func() {
		defer close(worked)
		d.pipeline.Run(workCtx, arrivals)
	}()
	<-gctx.Done()
	d.Notify.Stopping()
	d.Log.Info("stopping", zap.Float64("drain_at_most_s", drainTime.Seconds()))
	timer := time.AfterFunc(drainTime, stopWork)
	defer timer.Stop()
	err = g.Wait()
	<-worked
	d.runs.closeAll(outCtx)
	stopOut()
	err = errors.Join(err, out.Wait())
	if err == nil {
		d.settle(time.Now())
	}
	d.Log.Info("stopped", zap.Error(err))
	return err
}

// take runs the sources and closes arrivals when all have stopped.
func (d *Daemon) take(ctx context.Context, arrivals chan<- stream.Arrival) error {
	defer close(arrivals)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.sources.Run(gctx, d.Config.folders(), arrivals) })
	g.Go(func() error { return d.runStreams(gctx, arrivals) })
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("source: %w", err)
	}
	return nil
}

// parts are what readiness depends on.
func (d *Daemon) parts() []part {
	parts := []part{{Name: "stream", Ready: d.push.Ready}}
	if err := d.sources.starting(); err != nil {
		parts = append(parts, part{Name: "sources", Ready: func() error { return err }})
	}
	for _, f := range d.sources.folders() {
		parts = append(parts, part{Name: "source " + f.Name(), Ready: f.Ready})
	}
	if d.publisher != nil {
		parts = append(parts, part{Name: "mqtt", Degrades: true, Ready: d.publisher.Ready})
	}
	parts = append(append(parts, d.disk.parts()...), d.concerns.parts()...)
	for name, err := range d.stats.current() {
		parts = append(parts, part{Name: name, Ready: func() error { return err }})
	}
	return parts
}

// describe fills in what the daemon knows of a run's batch.
func (d *Daemon) describe(b *reporting.Batch) {
	now := d.live.Load()
	b.Site, b.Instrument, b.Version = now.Config.Site, now.Config.Instrument, version()
	b.ConfigHash, b.Model, b.Mode = now.Analyser.ConfigHash, now.Analyser.Model, ModeParticles
	for _, s := range now.Config.Sources {
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
	if now := d.live.Load(); now != nil {
		errs = append(errs, now.Analyser.Close())
	}
	errs = append(errs, d.closeStorage(context.Background()))
	return errors.Join(errs...)
}
