//go:build !windows

package agent

import (
	"context"
	"io"
	"os"
)

// newServiceManager is systemd's; where there is none, its commands say so.
func newServiceManager(out io.Writer) serviceManager {
	return &systemd{Units: unitFolder, Out: out, Run: runProgram}
}

// serve runs a daemon. A service manager here runs it like anybody else, and listens on a socket.
func serve(ctx context.Context, _ bool, run func(context.Context, *notifier, <-chan struct{}) error) error {
	asked, stop := hangups(ctx)
	defer stop()
	return run(ctx, newNotifier(os.Getenv), asked)
}
