package agent

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProfilesAreServedOnlyWhereAskedForAndToWhomMayReadMetrics(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("a-token-of-some-length\n"), 0o600))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(h *healthServer, path, authorization string) (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+h.Addr()+path, nil)
		require.NoError(t, err)
		if authorization != "" {
			request.Header.Set("Authorization", authorization)
		}
		response, err := client.Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(body)
	}
	paths := []string{
		"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/goroutine?debug=1", "/debug/pprof/cmdline", "/debug/pprof/symbol",
		"/debug/pprof/profile?seconds=1", "/debug/pprof/trace?seconds=0.1",
	}
	without := serveHealth(t, HTTPConfig{Listen: "127.0.0.1:0"})
	open := serveHealth(t, HTTPConfig{Listen: "127.0.0.1:0", Pprof: true})
	guarded := serveHealth(t, HTTPConfig{Listen: "127.0.0.1:0", Pprof: true, TokenFile: token})
	for _, path := range paths {
		status, _ := get(without, path, "")
		require.Equal(t, http.StatusNotFound, status, path)
		status, body := get(open, path, "")
		require.Equal(t, http.StatusOK, status, path)
		require.NotEmpty(t, body, path)
		status, _ = get(guarded, path, "")
		require.Equal(t, http.StatusUnauthorized, status, path)
		status, _ = get(guarded, path, "Bearer another-token")
		require.Equal(t, http.StatusUnauthorized, status, path)
	}
	status, body := get(guarded, "/debug/pprof/", "Bearer a-token-of-some-length")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "heap")
	status, _ = get(open, "/debug/pprof/nothing", "")
	require.Equal(t, http.StatusNotFound, status)
	status, _ = get(open, "/metrics", "")
	require.Equal(t, http.StatusOK, status)
}

// Profiles are never there by default, and not beyond loopback without protection.
func TestProfilesAreOffByDefaultAndNeverUnprotected(t *testing.T) {
	require.False(t, DefaultConfig().HTTP.Pprof)
	h, err := httpListener(HTTPConfig{Listen: "0.0.0.0:0", Pprof: true})
	require.NoError(t, err)
	require.ErrorContains(t, h.Open(t.Context()), "nothing protects it")
}
