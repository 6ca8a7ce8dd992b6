package agent

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
)

// serviceLog is where a service logs that has no log.file: nobody sees its stderr.
func serviceLog(dataDir string) string { return filepath.Join(dataDir, "aimsd.log") }

// serve runs a daemon, under the service control manager if that started it.
func serve(ctx context.Context, service bool, run func(context.Context, *notifier, <-chan struct{}) error) error {
	if !service {
		return run(ctx, nil, nil)
	}
	h := &serviceHandler{ctx: ctx, run: run}
	if err := svc.Run(defaultService, h); err != nil { // the name is not looked at: the process has one service
		return fmt.Errorf("service: %w", err)
	}
	return h.err
}

// serviceHandler answers the service control manager.
type serviceHandler struct {
	ctx context.Context
	run func(context.Context, *notifier, <-chan struct{}) error
	err error
}

var _ svc.Handler = (*serviceHandler)(nil)

// Execute implements svc.Handler: it starts the daemon, says when it is ready, and stops or reloads it when asked.
func (h *serviceHandler) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (specific bool, code uint32) {
	const accepted = svc.AcceptStop | svc.AcceptPreShutdown | svc.AcceptParamChange
	state := svc.Status{State: svc.StartPending, WaitHint: uint32(5 * time.Minute / time.Millisecond)}
	status <- state
	ctx, stop := context.WithCancel(h.ctx)
	defer stop()
	ready, asked, ended := make(chan struct{}, 1), make(chan struct{}, 1), make(chan error, 1)
	n := &notifier{OnReady: func() { put(ready) }, LogFile: serviceLog}
	go func() { ended <- h.run(ctx, n, asked) }()
	for {
		select {
		case <-ready:
			if state.State == svc.StartPending {
				state = svc.Status{State: svc.Running, Accepts: accepted}
				status <- state
			}
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				status <- state
			case svc.ParamChange:
				put(asked)
				status <- state
			case svc.Stop, svc.PreShutdown:
				state = svc.Status{State: svc.StopPending, WaitHint: uint32(serviceWait / time.Millisecond)}
				status <- state
				stop()
			}
		case h.err = <-ended:
			if h.err != nil {
				tellEventLog(h.err)
				return true, exitFailed
			}
			return false, 0
		}
	}
}

// tellEventLog writes where an administrator looks first when a service does not start.
func tellEventLog(err error) {
	log, openErr := eventlog.Open(defaultService)
	if openErr != nil {
		return
	}
	defer func() { _ = log.Close() }()
	_ = log.Error(1, oneLine(err).Error())
}

// put leaves a token where one may wait already.
func put(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}
