package agent

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/uni-aims/aimsd/metrics/rules"
	"github.com/uni-aims/aimsd/reporting"
)

// openAlerts makes what watches the results, and what keeps the frames around an alert.
func (d *Daemon) openAlerts(ctx context.Context, set *rules.Set) error {
	if c := d.Config.Evidence; c.Keep {
		dir, err := filepath.Abs(filepath.Join(d.Config.DataDir, evidenceFolder))
		if err != nil {
			return err
		}
		d.evidence = &evidence{
			Dir: dir, RunDir: d.runs.dir, Before: c.Before, After: c.After, Log: d.Log.Named("evidence"),
			Room: func() bool { return !d.disk.short() },
		}
	}
	d.alerts = &alerts{
		Rules: set, Store: d.store, Builder: d.builder, ModelHash: d.live.Load().Analyser.Model.SHA256, Evidence: d.evidence,
		Log: d.Log.Named("alerts"),
	}
	return d.alerts.open(ctx, allRules(d.Config.Rules))
}

// openOutlets makes what carries messages to the broker.
func (d *Daemon) openOutlets(topics reporting.Topics) error {
	counts := &outletStats{Store: d.store, Evidence: d.evidence}
	counts.init()
	defer func() { d.stats.registry.MustRegister(counts) }()
	m := d.Config.MQTT
	if m.URL == "" {
		return nil
	}
	d.publisher = &reporting.Publisher{
		URL: m.URL, Username: m.Username, PasswordFile: m.PasswordFile, Topics: topics, Store: d.store,
		TLS:       reporting.TLSFiles{CAFile: m.TLS.CAFile, CertFile: m.TLS.CertFile, KeyFile: m.TLS.KeyFile, ServerName: m.TLS.ServerName},
		Log:       d.Log.Named("mqtt"),
		OnCommand: d.alerts.command,
		OnSent:    counts.observe,
	}
	counts.Connected = d.publisher.Ready
	if err := d.publisher.Validate(); err != nil {
		return usageError{fmt.Errorf("mqtt: %w", err)}
	}
	var sources []string
	for _, s := range d.Config.Sources {
		sources = append(sources, s.Name)
	}
	d.publisher.SetMeta(reporting.MetaMessage{
		Version: version(), Sources: sources, Model: d.live.Load().Analyser.Model, Schemas: reporting.Schemas(),
	})
	return nil
}
