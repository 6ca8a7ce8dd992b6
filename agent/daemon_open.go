package agent

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/uni-aims/aimsd/infer/scalebar"
	"github.com/uni-aims/aimsd/metrics/rules"
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
	if d.store, err = reporting.OpenStore(ctx, reporting.StoreOptions{Dir: c.DataDir, Log: d.Log.Named("store")}); err != nil {
		return usageError{fmt.Errorf("data_dir: %w", err)}
	}
	if d.analyser, err = OpenAnalyser(ctx, c.Infer); err != nil {
		return err
	}
	d.analyser.ConfigHash = c.Hash()
	if c.Scale.FixedNmPerPx != nil {
		d.analyser.Scale.FixedNmPerPx = *c.Scale.FixedNmPerPx
	}
	d.stats = newStats(d.store)
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
	if err := d.openOutlets(topics); err != nil {
		return err
	}
	if err := d.openSources(); err != nil {
		return err
	}
	if err := d.openListeners(ctx); err != nil {
		return err
	}
	d.pipeline = &pipeline{
		Analyser: d.analyser, Store: d.store, Runs: d.runs, Alerts: d.alerts, Builder: d.builder,
		Log: d.Log.Named("pipeline"), Now: time.Now, Stats: d.stats, OnFrame: d.OnFrame, Modes: map[string]string{},
	}
	for _, s := range c.Sources {
		d.pipeline.Modes[s.Name] = s.Mode
	}
	return d.endVanished(ctx)
}

func (d *Daemon) openAlerts(ctx context.Context, set *rules.Set) error {
	stored, err := d.store.ActiveAlerts(ctx)
	if err != nil {
		return err
	}
	d.alerts = &alerts{Rules: set, Builder: d.builder, ModelHash: d.analyser.Model.SHA256, Log: d.Log.Named("alerts")}
	changes := d.alerts.restore(stored, allRules(d.Config.Rules), time.Now())
	for _, ch := range changes {
		if err := d.store.Enqueue(ctx, ch.messages...); err != nil {
			return err
		}
	}
	d.alerts.committed(changes)
	return nil
}

func (d *Daemon) openOutlets(topics reporting.Topics) error {
	m := d.Config.MQTT
	if m.URL == "" {
		return nil
	}
	d.publisher = &reporting.Publisher{
		URL: m.URL, Username: m.Username, PasswordFile: m.PasswordFile, Topics: topics, Store: d.store,
		TLS: reporting.TLSFiles{CAFile: m.TLS.CAFile, CertFile: m.TLS.CertFile, KeyFile: m.TLS.KeyFile},
		Log: d.Log.Named("mqtt"),
		OnAck: func(ctx context.Context, ack reporting.Ack) error {
			state, err := d.store.RecordAck(ctx, d.builder, ack)
			if err == nil {
				d.alerts.acked(state)
			}
			return err
		},
	}
	if err := d.publisher.Validate(); err != nil {
		return usageError{fmt.Errorf("mqtt: %w", err)}
	}
	var sources []string
	for _, s := range d.Config.Sources {
		sources = append(sources, s.Name)
	}
	d.publisher.SetMeta(reporting.MetaMessage{
		Version: version(), Sources: sources, Model: d.analyser.Model, Schemas: reporting.Schemas(),
	})
	return nil
}

func (d *Daemon) openSources() error {
	j := journal{d.store, d.runs}
	for _, s := range d.Config.Sources {
		d.folders = append(d.folders, &stream.Folder{
			SourceName: s.Name, Path: s.Path, Recursive: s.Recursive, Backlog: s.Backlog, Watch: s.Watch,
			Settle: s.Settle, GiveUp: s.GiveUp, PollInterval: s.Poll, Exclude: []string{d.Config.DataDir},
			SidecarWait: s.Sidecar, Sidecars: &decode.Sidecars{Panel: hasPanel},
			Journal: j, Decode: new(decode.Decoder).Frame, Frames: decode.Frames, Complete: decode.Complete, IsImage: decode.IsImage,
			Log: d.Log.Named("source." + s.Name),
		})
	}
	d.push = &stream.PushServer{
		Journal: j, MaxBytesInFlight: int64(d.Config.GRPC.MaxInFlightMB) << 20, Log: d.Log.Named("grpc"),
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
		if err := d.grpc.Open(ctx); err != nil {
			return usageError{fmt.Errorf("grpc: %w", err)}
		}
	}
	if c := d.Config.HTTP; c.Listen != "" {
		d.http = &healthServer{Listen: c.Listen, Parts: d.parts, Registry: d.stats.registry, Log: d.Log.Named("http")}
		if err := d.http.Open(ctx); err != nil {
			return usageError{err}
		}
	}
	return nil
}

// grpcListener reads the files of a listener.
func grpcListener(c GRPCConfig) (*stream.GRPCListener, error) {
	l := &stream.GRPCListener{Listen: c.Listen}
	if c.TLS.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(c.TLS.CertFile, c.TLS.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("grpc.tls: %w; give a certificate and its key as PEM files that aimsd's user can read", err)
		}
		l.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}
	if c.TokenFile != "" {
		token, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("grpc.token_file: %w; correct the path, or let aimsd's user read it", err)
		}
		l.Token = strings.TrimSpace(string(token))
	}
	return l, nil
}
