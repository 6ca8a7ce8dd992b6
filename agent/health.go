package agent

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
	"golang.org/x/net/netutil"

	"github.com/uni-aims/aimsd/stream"
)

// What one caller, and all together, may take of the HTTP listener.
const (
	httpConnections = 64
	httpScrapes     = 4 // of /metrics at the same time; each reads the store
	httpHeaderBytes = 16 << 10
	httpBodyBytes   = 1 << 20
	httpReadTime    = 10 * time.Second
	httpWriteTime   = 30 * time.Second
	httpIdleTime    = time.Minute
)

// part is one thing that readiness depends on. A part that only degrades the daemon (the broker: messages
// wait in the outbox) does not make it unready.
type part struct {
	Name     string
	Degrades bool
	Ready    func() error
}

// healthServer answers /healthz, /readyz and /metrics, and /debug/pprof/ where that is asked for.
type healthServer struct {
	Listen   string      // host:port; without TLS or Token the host must be loopback
	TLS      *tls.Config // nil: plain text
	Token    string      // "": none; else every request carries "Authorization: Bearer TOKEN"
	Pprof    bool        // profiles are served too
	Parts    func() []part
	Registry *prometheus.Registry
	Log      *zap.Logger
	listener net.Listener
}

// Open claims the address. One that other machines reach must ask who is calling, or at least hide what it says.
func (h *healthServer) Open(ctx context.Context) error {
	host, _, err := net.SplitHostPort(h.Listen)
	if err != nil {
		return fmt.Errorf("http.listen %q: %w; use an address such as 127.0.0.1:7480", h.Listen, err)
	}
	if !stream.IsLoopback(host) && h.TLS == nil && h.Token == "" {
		return fmt.Errorf("http.listen %q is not a loopback address, and nothing protects it; use 127.0.0.1, or configure http.tls or http.token_file", h.Listen)
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

// handler has the routes; whoever asks for another path gets 404, and no path leads to a file.
func (h *healthServer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", h.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.Registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: httpScrapes, Timeout: httpReadTime,
	}))
	if h.Pprof {
		profiling(mux)
	}
	return http.MaxBytesHandler(h.guard(mux), httpBodyBytes)
}

// guard asks for the token, and tells browsers to take answers for nothing else than they are.
func (h *healthServer) guard(next http.Handler) http.Handler {
	want := []byte("Bearer " + h.Token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		if h.Token != "" && subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="aimsd"`)
			http.Error(w, "send the daemon's token: Authorization: Bearer TOKEN", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Run serves until ctx ends.
func (h *healthServer) Run(ctx context.Context) error {
	if h.Token != "" && h.TLS == nil {
		h.Log.Warn("the HTTP token travels in plain text: configure TLS as well", zap.String("listen", h.Listen))
	}
	srv := &http.Server{
		Handler: h.handler(), ReadHeaderTimeout: httpReadTime, ReadTimeout: httpReadTime, WriteTimeout: httpWriteTime,
		IdleTimeout: httpIdleTime, MaxHeaderBytes: httpHeaderBytes, TLSConfig: h.TLS, ErrorLog: zap.NewStdLog(h.Log),
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if srv.Shutdown(limit) != nil {
			_ = srv.Close()
		}
	})
	listener := netutil.LimitListener(h.listener, httpConnections)
	var err error
	if h.TLS != nil {
		err = srv.ServeTLS(listener, "", "")
	} else {
		err = srv.Serve(listener)
	}
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
