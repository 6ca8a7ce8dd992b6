package steer

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOnlyThisMachineIsDriven(t *testing.T) {
	for _, c := range []struct {
		url    string
		remote bool
		says   string // empty: fine
	}{
		{url: "http://127.0.0.1:8001"},
		{url: "http://127.9.9.9:8001/"},
		{url: "http://localhost:8001/fibsem"},
		{url: "https://[::1]:8001"},
		{url: "http://[::ffff:127.0.0.1]:8001"},
		{url: "http://fib-pc:8001", remote: true},
		{url: "http://192.168.0.7:8001", remote: true},
		{url: "http://fib-pc:8001", says: "another machine"},
		{url: "http://192.168.0.7:8001", says: "another machine"},
		{url: "http://0.0.0.0:8001", says: "another machine"},
		{url: "http://127.0.0.1.example.org:8001", says: "another machine"},
		{url: "http://2130706433:8001", says: "another machine"},
		{url: "127.0.0.1:8001", says: "127.0.0.1:8001"},
		{url: "", says: "no http or https address"},
		{url: "http://", says: "no http or https address"},
		{url: "ftp://127.0.0.1", says: "no http or https address"},
		{url: "file:///etc/passwd", says: "no http or https address"},
		{url: "http://user:secret@127.0.0.1:8001", says: "leave them out"},
		{url: "http://127.0.0.1:8001/?x=/", says: "leave them out"},
		{url: "http://127.0.0.1:8001/\x7f", says: "not a url"},
	} {
		_, err := NewOpenFIBSEM(OpenFIBSEMOptions{URL: c.url, AllowRemote: c.remote})
		if c.says == "" {
			require.NoError(t, err, c.url)
			continue
		}
		require.ErrorContains(t, err, c.says, c.url)
		require.NotContains(t, err.Error(), "secret")
		require.NotContains(t, err.Error(), "\n")
	}
	_, err := NewOpenFIBSEM(OpenFIBSEMOptions{URL: "http://127.0.0.1:8001", Timeout: -1})
	require.ErrorContains(t, err, "below zero")
}

func TestANameThatBecomesAnotherMachineIsNotDialled(t *testing.T) {
	o, err := NewOpenFIBSEM(OpenFIBSEMOptions{URL: "http://127.0.0.1:8001"})
	require.NoError(t, err)
	o.base.Host = "192.0.2.1:8001" // as if localhost stood for it
	require.ErrorContains(t, o.Pause(t.Context(), "id"), "another machine")
	require.ErrorIs(t, o.Pause(t.Context(), "id"), ErrNotDone)
}

func TestOpenFIBSEMOverASocket(t *testing.T) {
	f := &fibsem{state: Running}
	server := httptest.NewServer(f)
	defer server.Close()
	t.Setenv("HTTP_PROXY", "http://192.0.2.1:3128")
	o, err := NewOpenFIBSEM(OpenFIBSEMOptions{URL: server.URL + "/"})
	require.NoError(t, err)
	state := func() State {
		s, err := o.State(t.Context())
		require.NoError(t, err)
		return s
	}
	require.Equal(t, Running, state())
	require.NoError(t, o.Pause(t.Context(), "a"))
	require.Equal(t, Paused, state())
	require.NoError(t, o.Stop(t.Context(), "b"))
	require.Equal(t, Idle, state())
	require.Equal(t, []string{"pause a", "stop b"}, f.posts)
}

func TestWhatAnErrorSays(t *testing.T) {
	for _, c := range []struct {
		name    string
		answer  http.HandlerFunc
		is      error
		isNot   error
		outcome string
	}{
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, ErrNotDone, ErrRefused, "answered 500"},
		{"503", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, ErrNotDone, ErrRefused, "answered 503"},
		{"502", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, nil, ErrNotDone, "answered 502"},
		{"404", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, ErrRefused, ErrNotDone, "answered 404"},
		{"301", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Location", "/"); w.WriteHeader(301) }, ErrRefused, ErrNotDone, "answered 301"},
		{"head", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }, nil, ErrNotDone, "no answer"},
		{"slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, context.DeadlineExceeded, ErrNotDone, "no answer"},
		{"broken", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, ErrNotDone, "no answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(c.answer)
			defer server.Close()
			o, err := NewOpenFIBSEM(OpenFIBSEMOptions{URL: server.URL, Timeout: 200 * time.Millisecond})
			require.NoError(t, err)
			err = o.Stop(t.Context(), "id")
			require.ErrorContains(t, err, c.outcome)
			require.NotContains(t, err.Error(), "\n")
			if c.is != nil {
				require.ErrorIs(t, err, c.is)
			}
			require.NotErrorIs(t, err, c.isNot)
			_, err = o.State(t.Context())
			require.Error(t, err)
		})
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	listener.Close()
	o, err := NewOpenFIBSEM(OpenFIBSEMOptions{URL: "http://" + listener.Addr().String()})
	require.NoError(t, err)
	require.ErrorIs(t, o.Stop(t.Context(), "id"), ErrNotDone)
}

func TestAnAnswerThatDripsEnds(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			w.Write([]byte(" "))
			w.(http.Flusher).Flush()
			time.Sleep(time.Millisecond)
		}
	}))
	defer server.Close()
	o, err := NewOpenFIBSEM(OpenFIBSEMOptions{URL: server.URL, Timeout: 100 * time.Millisecond})
	require.NoError(t, err)
	_, err = o.State(t.Context())
	require.ErrorContains(t, err, "broke off")
	require.NoError(t, o.Pause(t.Context(), "id"), "a command's answer is not read")
}

func TestStatesAreReadStrictly(t *testing.T) {
	for _, s := range []State{Idle, Running, Stopping, Paused, Error} {
		got, err := parseState([]byte(`{"since": 1, "state": "` + string(s) + `"}`))
		require.NoError(t, err)
		require.Equal(t, s, got)
	}
	for _, bad := range []string{
		``, ` `, `null`, `[]`, `"RUNNING"`, `RUNNING`, `{}`, `{"state": null}`, `{"state": 1}`, `{"state": NaN}`, `{"state": ""}`,
		`{"state": "running"}`, `{"State": "RUNNING"}`, `{"state": "RUNNING "}`, `{"state": ["RUNNING"]}`, `{"state": "RUNNING"`,
		`{"state": "RUNNING"} {"state": "IDLE"}`, `<html>RUNNING</html>`, "{\"state\": \"\xff\"}",
	} {
		s, err := parseState([]byte(bad))
		require.Error(t, err, bad)
		require.Empty(t, s, bad)
	}
}

func FuzzParseState(f *testing.F) {
	for _, s := range []string{`{"state":"RUNNING"}`, `{"state":NaN}`, `{"state":null}`, `[{}]`, `{"state":"PAUSED","state":"IDLE"}`, "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := parseState(body)
		if err != nil {
			require.Empty(t, s)
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.True(t, s.known())
		require.True(t, json.Valid(body))
		require.LessOrEqual(t, len(body), answerLimit)
	})
}
