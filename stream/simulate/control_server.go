package simulate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Listen opens address, host:port, which must be on loopback: whoever reaches it can mill. Port 0 chooses one.
func (*Control) Listen(ctx context.Context, address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("simulate: control address %q: %w; use one like 127.0.0.1:8001", address, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("simulate: control address %q is not on loopback, and nothing protects it; use 127.0.0.1", address)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("simulate: control address %q: %w; choose another port", address, err)
	}
	return l, nil
}

// Serve answers on l until ctx ends, closes l and returns nil, or what made it fail.
func (c *Control) Serve(ctx context.Context, l net.Listener) error {
	s := &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		s.Close()
	})
	err := s.Serve(l)
	if !stop() {
		<-done
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("simulate: control: %w", err)
}

// CreateControlLog makes an empty ControlFile for a run of the microscope in dir.
func CreateControlLog(dir string) (*os.File, error) {
	path := filepath.Join(dir, TruthDir, ControlFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("simulate: %w; choose a folder that can be written", err)
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("simulate: %w; choose a folder that can be written", err)
	}
	return f, nil
}
