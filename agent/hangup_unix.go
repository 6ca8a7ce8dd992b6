//go:build unix

package agent

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// hangups tells of SIGHUP, which asks a daemon to take up its configuration again.
func hangups(ctx context.Context) (asked <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals, out, done := make(chan os.Signal, 1), make(chan struct{}, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		defer close(done)
		for {
			select {
			case <-signals:
				select {
				case out <- struct{}{}:
				default: // one waits already
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, func() {
		signal.Stop(signals)
		cancel()
		<-done
	}
}
