package reporting

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"
)

func TestAFrameThatTookTheProcessWithItIsSuspectUntilItIsDone(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	life := func(crashed bool) (*Store, map[string]Attempts) {
		s, err := OpenStore(ctx, StoreOptions{Dir: dir})
		require.NoError(t, err)
		by, err := s.Suspects(ctx, crashed)
		require.NoError(t, err)
		return s, by
	}
	s, by := life(false)
	require.Empty(t, by)
	bad, good, waiting := admit(t, s, "acq", "bad"), admit(t, s, "acq", "good"), admit(t, s, "acq", "waiting")
	require.NoError(t, s.Begin(ctx, bad.ID))
	require.NoError(t, s.Begin(ctx, good.ID))
	require.NoError(t, s.Close()) // as a crash leaves it: nothing says that the work ended

	s, by = life(true)
	require.Equal(t, map[string]Attempts{bad.ID: {Crashes: 1}, good.ID: {Crashes: 1}}, by)
	require.NotContains(t, by, waiting.ID)
	require.NoError(t, s.Begin(ctx, good.ID))
	require.NoError(t, s.Commit(ctx, Completion{FrameID: good.ID, State: stateProcessed, Result: sampleResult()}))
	require.ErrorIs(t, s.Begin(ctx, good.ID), ErrNotFound, "it is done")
	require.NoError(t, s.Begin(ctx, bad.ID))
	require.NoError(t, s.Close())

	s, by = life(false)
	require.Equal(t, map[string]Attempts{bad.ID: {Crashes: 1, Kills: 1}}, by)
	require.NoError(t, s.Begin(ctx, bad.ID))
	require.NoError(t, s.Begin(ctx, waiting.ID))
	require.NoError(t, s.EndAttempts(ctx)) // a stop in order
	require.NoError(t, s.Close())

	s, by = life(true)
	require.Equal(t, map[string]Attempts{bad.ID: {Crashes: 1, Kills: 1}}, by, "a stop accuses nobody and acquits nobody")
	require.NoError(t, s.Commit(ctx, Completion{FrameID: bad.ID, State: stateRejected, Reason: "quarantined"}))
	require.NoError(t, s.Close())

	s, by = life(true)
	require.Empty(t, by)
	require.NoError(t, s.Close())
}

func TestFaultsOfTheDiskAreToldFromThoseOfAFrame(t *testing.T) {
	for _, err := range []error{
		syscall.ENOSPC, &os.PathError{Op: "write", Path: "x", Err: syscall.EROFS},
		fmt.Errorf("commit: %w", errors.Join(&os.LinkError{Op: "rename", Old: "a", New: "b", Err: syscall.EDQUOT})),
		&os.PathError{Op: "open", Path: "x", Err: syscall.EACCES},
	} {
		require.True(t, DiskFault(err), "%v", err)
	}
	for _, err := range []error{nil, errors.New("labels do not fit"), os.ErrNotExist, ErrAlreadyFinal, &sqlite.Error{}} {
		require.False(t, DiskFault(err), "%v", err)
	}
}

func TestAFullDatabaseIsAFaultOfTheDiskAndTheStoreGoesOnWhenThereIsRoom(t *testing.T) {
	ctx := t.Context()
	s := openStore(t, StoreOptions{})
	rec := admit(t, s, "acq", "a")
	var pages int
	require.NoError(t, s.conn.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages))
	_, err := s.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", pages))
	require.NoError(t, err)
	big := Completion{FrameID: rec.ID, State: stateProcessed, Result: sampleResult()}
	big.Sizes = Sizes{ECDPx: make([]float32, 1<<16), WeightML: make([]float32, 1<<16)}
	err = s.Commit(ctx, big)
	require.True(t, DiskFault(err), "%v", err)
	f, err := s.Frame(ctx, rec.ID)
	require.NoError(t, err)
	require.Equal(t, stateAccepted, f.State, "nothing of it was committed")

	_, err = s.conn.ExecContext(ctx, "PRAGMA max_page_count = 1000000")
	require.NoError(t, err)
	require.NoError(t, s.Commit(ctx, big))
	counts, err := s.Counts(ctx)
	require.NoError(t, err)
	require.Equal(t, Counts{Received: 1, Processed: 1}, counts["acq"])
}
