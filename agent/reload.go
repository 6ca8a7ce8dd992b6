package agent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.yaml.in/yaml/v3"

	"github.com/uni-aims/aimsd/infer/models"
	"github.com/uni-aims/aimsd/metrics/rules"
)

// The alert of a configuration or model that could not be taken up.
const (
	codeReloadFailed = "RELOAD_FAILED"
	keyConfig        = "config"
)

// settings are what the results of a frame depend on. They are exchanged whole, between two frames.
type settings struct {
	Config   Config
	Analyser *Analyser
}

// modes are the sources' modes.
func (c *Config) modes() map[string]string {
	modes := map[string]string{}
	for _, s := range c.Sources {
		modes[s.Name] = s.Mode
	}
	return modes
}

// reload takes up the configuration and the model as they are now: read and check, load and try the network,
// then exchange all of it between two frames. On any error the old settings go on, untouched.
//
//	read ─▶ check ─▶ load, warm, self-test ─▶ between two frames: exchange ─▶ free the old network
//	  └───────┴──────────────┴─▶ keep the old, say why
func (d *Daemon) reload(ctx context.Context) error {
	old := d.live.Load()
	d.seen.look(d.ConfigPath)
	c, err := d.Load()
	if err != nil {
		return err
	}
	d.seen.reread(d.ConfigPath, c.Infer.Model)
	changed := changes(&old.Config, &c)
	if fixed := slices.DeleteFunc(slices.Clone(changed), changesLive); len(fixed) > 0 {
		return fmt.Errorf("%s cannot be changed while aimsd runs; restart it, or put the old value back", strings.Join(fixed, ", "))
	}
	if !sameStreams(&old.Config, &c) {
		return errors.New("sources of type grpc cannot be changed while aimsd runs, but for their mode; restart it, or put the old ones back")
	}
	if !sameActs(&old.Config, &c) {
		return errors.New("milling.act cannot be changed while aimsd runs; restart it, or put the old values back")
	}
	set, err := rules.Compile(allRules(c.Rules))
	if err != nil {
		return err
	}
	fresh, err := d.fresh(ctx, old, c)
	if err != nil {
		return err
	}
	sameModel := fresh.session == old.Analyser.session
	if len(changed) == 0 && sameModel {
		d.Log.Info("configuration and model are unchanged", zap.String("config_hash", fresh.ConfigHash))
		return nil
	}
	d.pipeline.exchange(func() {
		if d.live.Load() != old { // the network broke meanwhile, and was opened again
			err = errors.New("the network was opened again meanwhile; ask once more")
			return
		}
		if !sameYAML(old.Config.Rules, c.Rules) {
			err = d.alerts.reconfigure(ctx, set, allRules(c.Rules))
		}
		if err != nil {
			return
		}
		d.alerts.setModel(fresh.Model.SHA256)
		d.millings.configure(ctx, &c)
		d.pipeline.Analyser, d.pipeline.Modes = fresh, c.modes()
		d.runs.setIdleTimeout(c.Run.IdleTimeout)
		d.disk.configure(c.Disk)
		d.retention.configure(c.Retention)
		d.live.Store(&settings{c, fresh})
	})
	if err != nil {
		if !sameModel {
			err = errors.Join(err, fresh.Close())
		}
		return err
	}
	if !sameModel {
		if err := old.Analyser.Close(); err != nil {
			d.Log.Warn("the old network was not freed", zap.Error(err))
		}
		d.publishMeta(c, fresh)
	}
	if d.SetLevel != nil {
		d.SetLevel(c.Log.Level)
	}
	d.sources.set(c.folders())
	d.Log.Info("reloaded", zap.Strings("changed", changed), zap.String("config_hash", fresh.ConfigHash),
		zap.String("model", fresh.Model.Name), zap.String("model_sha256", fresh.Model.SHA256), zap.String("provider", fresh.Model.Provider))
	return nil
}

// fresh is the analyser for a configuration: the old network with other settings, or another network, loaded,
// warm and tried.
func (d *Daemon) fresh(ctx context.Context, old *settings, c Config) (*Analyser, error) {
	a := *old.Analyser
	if c.Infer != old.Config.Infer || modelChanged(c.Infer.Model, old.Analyser) {
		opened, err := openTested(ctx, c.Infer)
		if err != nil {
			return nil, err
		}
		opened.tell(d.Log)
		a = *opened
	}
	a.configure(&c)
	return &a, nil
}

// configure sets what a configuration says beside the network.
func (a *Analyser) configure(c *Config) {
	a.ConfigHash = c.Hash()
	a.Scale.FixedNmPerPx = 0
	if c.Scale.FixedNmPerPx != nil {
		a.Scale.FixedNmPerPx = *c.Scale.FixedNmPerPx
	}
}

// openTested opens the network of a daemon: one that is what its manifest says and passes the self-test.
func openTested(ctx context.Context, c InferConfig) (*Analyser, error) {
	a, err := OpenAnalyser(ctx, c)
	if err != nil {
		return nil, err
	}
	err = checkManifest(c.Model, a.Model.SHA256)
	if err == nil && c.SelfTest {
		if err = a.selfTest(ctx); err != nil {
			err = fmt.Errorf("model %s: %w", c.Model, err)
		}
	}
	if err != nil {
		return nil, usageError{errors.Join(err, a.Close())}
	}
	return a, nil
}

// modelChanged reports whether a model's file, or its scorer, is not what the analyser was made from.
func modelChanged(model string, a *Analyser) bool {
	if models.Embedded(model) {
		return false
	}
	m, err := models.Load(model)
	return err != nil || m.Form().SHA256 != a.Model.SHA256 || sha256.Sum256(m.Scorer) != a.scorer
}

// changesLive reports whether a key can change while the daemon runs.
func changesLive(key string) bool {
	for _, live := range []string{"sources", "infer.", "scale.", "run.", "rules", "milling", "log.level", "disk.", "retention."} {
		if strings.HasPrefix(key, live) {
			return true
		}
	}
	return false
}

// changes are the keys in which two configurations differ, dotted; lists count as one.
func changes(a, b *Config) []string {
	return changedKeys(reflect.ValueOf(*a), reflect.ValueOf(*b), "")
}

func changedKeys(a, b reflect.Value, prefix string) []string {
	var keys []string
	for i := range a.NumField() {
		name := yamlName(a.Type().Field(i))
		if name == "" {
			continue
		}
		x, y := a.Field(i), b.Field(i)
		switch {
		case x.Kind() == reflect.Struct:
			keys = append(keys, changedKeys(x, y, prefix+name+".")...)
		case !sameYAML(x.Interface(), y.Interface()):
			keys = append(keys, prefix+name)
		}
	}
	return keys
}

// setIdleTimeout changes when runs without frames close.
func (r *runs) setIdleTimeout(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.IdleTimeout = d
}

// sameYAML reports whether two values are written alike: a list that is left out is like an empty one.
func sameYAML(a, b any) bool {
	x, errX := yaml.Marshal(a)
	y, errY := yaml.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
