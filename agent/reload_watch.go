package agent

import (
	"context"
	"maps"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/metrics/rules"
)

// watchPeriod is the time between two looks at the configuration and the model file. A file that changed is
// taken up when a second look finds it as the first did: then nobody is writing it.
const watchPeriod = time.Second

// watchReload takes up a changed configuration whenever it is asked to, and when the files change.
func (d *Daemon) watchReload(ctx context.Context) {
	if d.Load == nil {
		return
	}
	d.tellReload(ctx, nil) // the daemon has started with the configuration as it is
	ticker := time.NewTicker(watchPeriod)
	defer ticker.Stop()
	last, pending := d.seen.now(), false
	for {
		why := ""
		select {
		case <-ctx.Done():
			return
		case <-d.Reload:
			why = "asked to"
		case <-ticker.C:
			if d.live.Load().Config.Reload != ReloadAuto {
				continue
			}
			now := d.seen.now()
			changed := !maps.Equal(now, last)
			if pending && !changed {
				why = "a file changed"
			}
			last, pending = now, pending || changed
		}
		if why != "" {
			d.tryReload(ctx, why)
			last, pending = maps.Clone(d.seen), false // as they were read: what changed since is seen next time
		}
	}
}

// tryReload reloads, and says what came of it in the log, to the service manager, by readiness and an alert.
func (d *Daemon) tryReload(ctx context.Context, why string) {
	d.Notify.Reloading()
	defer d.Notify.Ready()
	d.Log.Info("reloading", zap.String("because", why))
	err := d.reload(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		err = oneLine(err)
		d.Log.Error("reload failed; the old settings go on", zap.Error(err))
	}
	d.tellReload(ctx, err)
}

// tellReload keeps readiness and the alert of the configuration true.
func (d *Daemon) tellReload(ctx context.Context, err error) {
	d.concerns.set("configuration", err)
	alert := ownAlert{Code: codeReloadFailed, Key: keyConfig, Severity: rules.Warning, Cause: err}
	if err := d.alerts.condition(ctx, alert); err != nil {
		d.Log.Error("the alert of a reload is not stored", zap.Error(err))
	}
}

// fileState is what a file looks like from outside; the zero value is a missing one.
type fileState struct {
	size    int64
	changed int64 // Unix nanoseconds
}

// fileStates are files as they were when they were last read.
type fileStates map[string]fileState

// look notes what a file looks like now.
func (f fileStates) look(path string) {
	if path == "" {
		return
	}
	f[path] = fileState{}
	if info, err := os.Stat(path); err == nil {
		f[path] = fileState{info.Size(), info.ModTime().UnixNano()}
	}
}

// reread notes the files of a model, which are about to be read, and forgets those of another one.
func (f fileStates) reread(config, model string) {
	maps.DeleteFunc(f, func(path string, _ fileState) bool { return path != config })
	for _, path := range modelFiles(model) {
		f.look(path)
	}
}

// now are the same files as they are now.
func (f fileStates) now() fileStates {
	now := fileStates{}
	for path := range f {
		now.look(path)
	}
	return now
}
