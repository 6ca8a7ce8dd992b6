package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/reporting"
)

const (
	tendPeriod  = 500 * time.Millisecond
	alertPeriod = time.Second
	runsPeriod  = 2 * time.Second
	// hangsAfter is longer than any frame takes. The watchdog is not fed while one takes longer: a network that
	// hangs, in a GPU's driver for one, is cured by a new process only.
	hangsAfter = 30 * time.Minute
)

// tend keeps the gRPC health and the service manager's status current, and announces that the daemon is ready.
func (d *Daemon) tend(ctx context.Context, start time.Time) {
	ticker := time.NewTicker(tendPeriod)
	defer ticker.Stop()
	announced := false
	for first := true; ; first = false {
		state := readyState(d.parts())
		if d.grpc != nil {
			d.grpc.SetServing("", state.Ready)
			d.grpc.SetServing("aims.v1.FrameService", d.push.Ready() == nil)
			for _, s := range d.Config.streams() {
				d.grpc.SetServing(s.Name, d.push.Ready() == nil)
			}
			d.grpc.SetServing(d.push.Name(), d.push.Ready() == nil)
			for _, f := range d.sources.folders() {
				d.grpc.SetServing(f.Name(), f.Ready() == nil)
			}
		}
		d.Notify.Status(state.summary())
		if first { // a folder that is not mounted yet is no reason to start the service again
			d.Notify.Ready()
		}
		if state.Ready && !announced {
			announced = true
			d.announce(start)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// summary is the readiness in one line.
func (r *readiness) summary() string {
	var wrong []string
	for name, text := range r.Parts {
		if text != "ok" {
			wrong = append(wrong, name+": "+text)
		}
	}
	slices.Sort(wrong)
	switch {
	case !r.Ready:
		return "not ready: " + strings.Join(wrong, "; ")
	case len(wrong) > 0:
		return "takes frames; " + strings.Join(wrong, "; ")
	}
	return "takes frames"
}

// announce says that frames are taken, and where.
func (d *Daemon) announce(start time.Time) {
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
		zap.String("provider", d.live.Load().Analyser.Model.Provider), zap.Float64("after_ms", ms(time.Since(start))))
	if d.OnReady != nil {
		d.OnReady(grpcAddr, httpAddr)
	}
}

// keepHouse moves alerts on whose time has come, and closes idle runs.
func (d *Daemon) keepHouse(ctx context.Context) {
	alerts, runs := time.NewTicker(alertPeriod), time.NewTicker(runsPeriod)
	defer alerts.Stop()
	defer runs.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-alerts.C:
			d.alerts.tick(ctx)
		case <-runs.C:
			d.runs.expire(ctx)
		}
	}
}

// mind feeds the watchdog while frames move on, and ends the count of starts that came to nothing.
func (d *Daemon) mind(ctx context.Context, start time.Time) {
	ticker := time.NewTicker(tendPeriod)
	defer ticker.Stop()
	hangs := false
	for {
		now := time.Now()
		if now.Sub(start) > settledAfter {
			d.settle(now)
		}
		if busy := d.pipeline.busySince(); busy.IsZero() || now.Sub(busy) < hangsAfter {
			d.Notify.Alive(now)
			d.concerns.set("analysis", nil)
			hangs = false
		} else if !hangs {
			hangs = true
			err := fmt.Errorf("a frame has been in analysis since %s; restart aimsd, as a service manager's watchdog does", busy.UTC().Format(time.RFC3339))
			d.concerns.set("analysis", err)
			d.Log.Error("analysis hangs", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// frameDone is told of every commit.
func (d *Daemon) frameDone(f FrameDone) {
	d.settle(time.Now())
	if d.OnFrame != nil {
		d.OnFrame(f)
	}
}

// settle ends the count of starts that came to nothing, once.
func (d *Daemon) settle(now time.Time) {
	if d.starts == nil {
		return
	}
	d.settled.Do(func() {
		d.concerns.set("starts", nil)
		if err := d.starts.settled(now); err != nil {
			d.Log.Warn("starts are not counted", zap.Error(err))
		}
	})
}

// publishMeta tells subscribers what runs now.
func (d *Daemon) publishMeta(c Config, a *Analyser) {
	if d.publisher == nil {
		return
	}
	var sources []string
	for _, s := range c.Sources {
		sources = append(sources, s.Name)
	}
	d.publisher.SetMeta(reporting.MetaMessage{
		Version: version(), Sources: sources, Model: a.Model, Schemas: reporting.Schemas(),
	})
}
