package agent

import (
	"io"
	"strings"
	"sync"

	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/cuda"
	"github.com/uni-aims/aimsd/reporting"
)

// dynamics are those of an analyser, with what is known about them.
type dynamics struct {
	cuda.Dynamics
	provider, why string

	mu     sync.Mutex
	failed error       // of the device, on the frame under way
	log    *zap.Logger // nil: nobody is told
}

// How pixels follow the flow.
const (
	DynamicsSquaring = "squaring" // 256 steps in eight passes
	DynamicsEuler    = "euler"    // 200 steps one by one: the reference, some ten times as slow
)

// openDynamics chooses the dynamics. Provider cuda is one for the network: the program is built without kernels as a
// rule, and their twin on the CPU gives the same labels.
func openDynamics(c InferConfig) (*dynamics, error) {
	provider, params := c.Provider, cuda.DefaultParams()
	if provider == cuda.ProviderCUDA {
		provider = cuda.ProviderAuto
	}
	if c.Dynamics == DynamicsEuler {
		params.Euler = cuda.EulerSteps
	}
	d := &dynamics{}
	chosen, why, err := cuda.Choose(params, provider, d.fail)
	if err != nil {
		return nil, err
	}
	d.Dynamics = chosen
	d.provider, d.why, _ = strings.Cut(why, ": ")
	return d, nil
}

// begin begins a frame.
func (d *dynamics) begin() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failed = nil
}

// fail hears that the device could not do a part of a frame, which the CPU did then.
func (d *dynamics) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed == nil && d.log != nil { // once for a frame
		d.log.Warn("the GPU failed; the CPU does what it did not", zap.Error(err))
	}
	d.failed = err
}

// ran says what did the frame that ended.
func (d *dynamics) ran() *reporting.Dynamics {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed != nil {
		return &reporting.Dynamics{Provider: cuda.ProviderCPU, Why: "the GPU (" + d.why + ") failed: " + oneLine(d.failed).Error()}
	}
	return &reporting.Dynamics{Provider: d.provider, Why: d.why}
}

// Close frees the device.
func (d *dynamics) Close() error {
	if d == nil {
		return nil
	}
	if c, ok := d.Dynamics.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// tell logs what an analyser runs on and why, and from then on what fails there.
func (a *Analyser) tell(log *zap.Logger) {
	if a.session == nil { // in tests
		return
	}
	a.dynamics.mu.Lock()
	a.dynamics.log = log
	a.dynamics.mu.Unlock()
	log.Info("network opened", zap.String("model", a.Model.Name), zap.String("provider", a.Model.Provider),
		zap.String("precision", a.Model.Precision), zap.String("why", a.Model.Why))
	log.Info("dynamics opened", zap.String("provider", a.dynamics.provider), zap.String("why", a.dynamics.why))
}
