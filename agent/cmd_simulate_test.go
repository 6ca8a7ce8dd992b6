package agent

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream/simulate"
)

// TestSimulatedMillingIsControlledOverHTTP runs the command as a user does: it waits, mills, stops, and ends with its last frame.
func TestSimulatedMillingIsControlledOverHTTP(t *testing.T) {
	dir := t.TempDir()
	read, write := io.Pipe()
	c := newSimulateCommand()
	c.SetArgs([]string{"-o", dir, "--scene", "milling", "--size", "128x128", "--frames", "30", "--rate", "20", "--control", "127.0.0.1:0", "--wait"})
	c.SetOut(write)
	c.SetErr(io.Discard)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		err := c.ExecuteContext(ctx)
		write.Close()
		done <- err
	}()
	said := make([]byte, 4096)
	n, err := read.Read(said)
	require.NoError(t, err)
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(string(said[:n]))
	require.NotEmpty(t, url, "it says where it listens: %s", said[:n])
	rest := make(chan string, 1)
	go func() {
		all, _ := io.ReadAll(read)
		rest <- string(all)
	}()

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, verb := range []string{"start_milling", "stop_milling"} {
		time.Sleep(300 * time.Millisecond)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/"+verb, nil)
		require.NoError(t, err)
		answer, err := client.Do(r)
		require.NoError(t, err)
		answer.Body.Close()
		require.Equal(t, http.StatusOK, answer.StatusCode)
	}
	require.NoError(t, <-done)
	text := <-rest
	require.Contains(t, text, "pattern left 0.")
	require.Contains(t, text, "30 frames")

	data, err := os.ReadFile(filepath.Join(dir, "truth", "control.jsonl"))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	require.Len(t, lines, 2)
	var start, stop simulate.Verb
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &start))
	require.NoError(t, json.Unmarshal([]byte(lines[1]), &stop))
	require.Less(t, start.Index, stop.Index)
	data, err = os.ReadFile(filepath.Join(dir, "truth", "sim_milling_s1_00030.json"))
	require.NoError(t, err)
	var truth simulate.Truth
	require.NoError(t, json.Unmarshal(data, &truth))
	require.Equal(t, stop.Index-start.Index, truth.Milling.Dose, "it milled from start to stop")
	require.Equal(t, simulate.Idle, truth.Milling.State)
}
