package agent

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/uni-aims/aimsd/infer/scalebar"
	"github.com/uni-aims/aimsd/metrics/rules"
	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/decode"
	"github.com/uni-aims/aimsd/stream/tiff"
)

// open builds everything from the store outward.
func (d *Daemon) open(ctx context.Context) error {
	c := &d.Config
	topics, err := reporting.NewTopics(c.Site, c.Instrument)
	if err != nil {
		return usageError{err}
	}
	d.builder = reporting.Builder{Topics: topics}
	ruleSet, err := rules.Compile(allRules(c.Rules))
	if err != nil {
		return usageError{err}
	}
	if err := d.openStorage(ctx); err != nil {
		return err
	}
	if err := d.slow(ctx); err != nil {
		return err
	}
	d.seen = fileStates{}
	d.seen.look(d.ConfigPath)
	d.seen.reread(d.ConfigPath, c.Infer.Model)
	openAnalyser := d.openAnalyser
	if openAnalyser == nil {
		openAnalyser = openTested
	}
	analyser, err := openAnalyser(ctx, c.Infer)
	if err != nil {
		return err
	}
	analyser.configure(c)
	d.live.Store(&settings{*c, analyser})
	d.stats = newStats(d.store)
	d.stats.registry.MustRegister(storageCollector{d.disk, d.retention})
	d.runs = &runs{
		Store: d.store, Dir: c.DataDir, Builder: d.builder, IdleTimeout: c.Run.IdleTimeout,
		EncodeLabels: tiff.EncodeLabels, Log: d.Log.Named("runs"), Now: time.Now, Describe: d.describe,
	}
	if err := d.runs.resume(ctx); err != nil {
		return err
	}
	if err := d.openAlerts(ctx, ruleSet); err != nil {
		return err
	}
	if err := d.openMilling(ctx); err != nil {
		return err
	}
	if err := d.openOutlets(topics); err != nil {
		return err
	}
	if err := d.openSources(ctx); err != nil {
		return err
	}
	if err := d.openListeners(ctx); err != nil {
		return err
	}
	analyser.tell(d.Log) // not before: a start that is refused says why in one line
	d.pipeline = &pipeline{
		Analyser: analyser, Store: d.store, Runs: d.runs, Alerts: d.alerts, Builder: d.builder,
		Log: d.Log.Named("pipeline"), Now: time.Now, Stats: d.stats, OnFrame: d.frameDone, Modes: c.modes(), Revive: d.revive,
		Suspects: d.suspects, Urgent: d.urgent, Evidence: d.evidence, Millings: d.millings, NoOverlay: d.disk.short, OnDamage: d.damaged,
	}
	connections := func() int { return 0 }
	if d.grpc != nil {
		connections = d.grpc.Connections
	}
	d.stats.registry.MustRegister(sourceCollector{d.sources.folders, d.push, connections})
	return d.endVanished(ctx)
}

func (d *Daemon) openSources(ctx context.Context) error {
	j := journal{d.store, d.runs, d.disk, d.stats}
	guard := guardedDecoder{d.Log.Named("source")}
	d.urgent = make(chan stream.Arrival)
	d.sources = &sourceSet{
		Urgent: d.urgent,
		Log:    d.Log.Named("source"),
		Make: func(s SourceConfig) *stream.Folder {
			return &stream.Folder{
				SourceName: s.Name, Path: s.Path, Recursive: s.Recursive, Backlog: s.Backlog, Watch: s.Watch,
				Settle: s.Settle, GiveUp: s.GiveUp, PollInterval: s.Poll, Exclude: []string{d.Config.DataDir},
				SidecarWait: s.Sidecar, Sidecars: &decode.Sidecars{Panel: hasPanel},
				Journal: j, IsImage: decode.IsImage,
				Decode: new(decode.Decoder).Frame, Frames: guard.frames(decode.Frames), Complete: guard.complete(decode.Complete),
				Unfilled: decode.Unfilled,
				Log:      d.Log.Named("source." + s.Name),
			}
		},
		Drop: func(a stream.Arrival) {
			d.pipeline.drop(context.WithoutCancel(ctx), a, "a newer frame came first")
		},
		Begin: d.endVanishedOf,
		Absent: func(name string) {
			if d.grpc != nil {
				d.grpc.SetServing(name, false)
			}
		},
	}
	d.lanes = newStreamLanes(d.Config.streams())
	d.push = &stream.PushServer{
		Journal: j, MaxBytesInFlight: int64(d.Config.GRPC.MaxInFlightMB) << 20, Log: d.Log.Named("grpc"),
		Clients: d.Config.clients(), Outs: d.lanes.outs(),
	}
	return nil
}

// hasPanel reports whether an instrument's data bar is in a frame's pixels.
func hasPanel(f *stream.Frame) bool {
	y0, y1, err := scalebar.Rows(barImage(f))
	return err == nil && y1-y0 < f.Height
}

func (d *Daemon) openListeners(ctx context.Context) error {
	if c := d.Config.GRPC; c.Listen != "" {
		listener, err := grpcListener(c)
		if err != nil {
			return usageError{err}
		}
		d.grpc = listener
		d.grpc.Frames, d.grpc.Log = d.push, d.Log.Named("grpc")
		d.grpc.Register = func(r grpc.ServiceRegistrar) { aimsv1.RegisterFeedbackServiceServer(r, d.feedback) }
		if err := d.grpc.Open(ctx); err != nil {
			return usageError{fmt.Errorf("grpc: %w", err)}
		}
	}
	if c := d.Config.HTTP; c.Listen != "" {
		listener, err := httpListener(c)
		if err != nil {
			return usageError{err}
		}
		d.http = listener
		d.http.Parts, d.http.Registry, d.http.Log = d.parts, d.stats.registry, d.Log.Named("http")
		if err := d.http.Open(ctx); err != nil {
			return usageError{err}
		}
	}
	return nil
}
