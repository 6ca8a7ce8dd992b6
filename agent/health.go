package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// part is one thing that readiness depends on. A part that only degrades the daemon (the broker: messages
// wait in the outbox) does not make it unready.
type part struct {
	Name     string
	Degrades bool
	Ready    func() error
}

// healthServer answers /healthz, /readyz and /metrics.
type healthServer struct {
	Listen   string // loopback only
	Parts    func() []part
	Registry *prometheus.Registry
	Log      *zap.Logger
	listener net.Listener
}

// Open claims the address, which must be a loopback one: nothing here asks who is calling.
func (h *healthServer) Open(ctx context.Context) error {
	host, _, err := net.SplitHostPort(h.Listen)
	if err != nil {
		return fmt.Errorf("http.listen %q: %w; use an address such as 127.0.0.1:7480", h.Listen, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("http.listen %q is not a loopback address; use 127.0.0.1 and a reverse proxy with TLS for more", h.Listen)
	}
	var lc net.ListenConfig
	h.listener, err = lc.Listen(ctx, "tcp", h.Listen)
	if err != nil {
		return fmt.Errorf("http.listen %q: %w; choose another port", h.Listen, err)
	}
	return nil
}

// Addr is the address listened on.
func (h *healthServer) Addr() string { return h.listener.Addr().String() }

// Run serves until ctx ends.
func (h *healthServer) Run(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", h.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.Registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 1 << 16}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = srv.Shutdown(limit)
	})
	err := srv.Serve(h.listener)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("http: %w", err)
}

// readiness is the body of /readyz.
type readiness struct {
	Ready bool              `json:"ready"`
	Parts map[string]string `json:"parts"` // "ok", or what is wrong
}

func (h *healthServer) ready(w http.ResponseWriter, _ *http.Request) {
	state := readyState(h.Parts())
	w.Header().Set("Content-Type", "application/json")
	if !state.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(state)
}

func readyState(parts []part) readiness {
	state := readiness{Ready: true, Parts: map[string]string{}}
	for _, p := range parts {
		err := p.Ready()
		switch {
		case err == nil:
			state.Parts[p.Name] = "ok"
		case p.Degrades:
			state.Parts[p.Name] = "degraded: " + oneLine(err).Error()
		default:
			state.Ready, state.Parts[p.Name] = false, oneLine(err).Error()
		}
	}
	return state
}
