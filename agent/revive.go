package agent

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"
)

// Pauses between attempts to open a network again that broke.
const (
	reviveFirst = 500 * time.Millisecond
	reviveCap   = 30 * time.Second
)

// partNetwork names the network in readiness.
const partNetwork = "network"

// revive is asked when a frame could not be analysed. A network that passes its self-test is sound: then the
// frame is at fault, and revive returns false. One that does not, because its GPU was lost for one, is opened
// anew, on the CPU where that is allowed, until it works; then the frame is tried again, and nothing is lost.
// Meanwhile frames wait and readiness says why. It is called with the pipeline between no two frames.
func (d *Daemon) revive(ctx context.Context, cause error) bool {
	broken := d.live.Load()
	try := broken.Analyser.selfTest
	if !broken.Config.Infer.SelfTest {
		try = broken.Analyser.warm
	}
	if errors.Is(cause, errQuarantined) || try(ctx) == nil || ctx.Err() != nil {
		return false
	}
	defer d.stats.fault(partNetwork, nil)
	for pause := reviveFirst; ctx.Err() == nil; pause = min(2*pause, reviveCap) {
		d.stats.fault(partNetwork, cause)
		d.Log.Error("the network broke; opening it again", zap.Error(cause))
		fresh, err := openTested(ctx, broken.Config.Infer)
		if err == nil {
			fresh.configure(&broken.Config)
			fresh.tell(d.Log)
			d.pipeline.Analyser = fresh
			d.live.Store(&settings{broken.Config, fresh})
			if err := broken.Analyser.Close(); err != nil {
				d.Log.Warn("the broken network was not freed", zap.Error(err))
			}
			d.Log.Info("the network works again", zap.String("provider", fresh.Model.Provider), zap.String("model_sha256", fresh.Model.SHA256))
			d.publishMeta(broken.Config, fresh)
			return true
		}
		cause = err
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return false
}
