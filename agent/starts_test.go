package agent

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStartsThatComeToNothingAreSlowedDown(t *testing.T) {
	path := filepath.Join(t.TempDir(), startsFile)
	var waits []string
	for range 11 {
		s := starts{Path: path}
		require.NoError(t, s.begin(time.Now()))
		waits = append(waits, s.pause().String())
		require.Equal(t, s.pause() > 0, s.concern() != nil)
	}
	require.Equal(t, []string{"0s", "0s", "0s", "1s", "2s", "4s", "8s", "16s", "32s", "1m0s", "1m0s"}, waits)

	s := starts{Path: path}
	require.NoError(t, s.begin(time.Now()))
	require.ErrorContains(t, s.concern(), "the last 11 starts")
	require.NoError(t, s.settled(time.Now()))
	require.NoError(t, s.concern())
	next := starts{Path: path}
	require.NoError(t, next.begin(time.Now()))
	require.Zero(t, next.pause(), "a frame was done, or the daemon was stopped")
}

func TestAnUnreadableRecordOfStartsStopsNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), startsFile)
	for _, content := range []string{"", "{", `{"failed_in_a_row":-3}`, `{"failed_in_a_row":"x"}`, "null"} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		s := starts{Path: path}
		require.NoError(t, s.begin(time.Now()), content)
		require.Zero(t, s.pause(), content)
	}
}
