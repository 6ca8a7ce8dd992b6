package agent

import (
	"net/http"
	"net/http/pprof" // what it registers itself is on http.DefaultServeMux, which is not served
)

// profiling adds Go's profiles of the running program: cpu, heap, goroutines, traces. The guard of the listener
// stands before them as before everything else.
func profiling(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}
