package reporting

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// keep commits a processed frame of a run with files of so many bytes.
func keep(t *testing.T, s *Store, run, key string, overlay, labels, results int64) FrameRecord {
	t.Helper()
	rec, _, err := s.Admit(t.Context(), FrameRecord{Source: "acq", Key: run + key, RunID: run, Name: key})
	require.NoError(t, err)
	require.NoError(t, s.Commit(t.Context(), Completion{
		FrameID: rec.ID, State: stateProcessed, Result: sampleResult(), Folder: key, Summary: []byte("{}"),
		Files: []StoredFile{{KindOverlays, overlay}, {KindLabels, labels}, {KindResults, results}},
	}))
	return rec
}

func TestTheStoreListsWhatIsKeptOldestFirst(t *testing.T) {
	ctx, now := t.Context(), time.Unix(1700000000, 0)
	s := openStore(t, StoreOptions{Now: func() time.Time { return now }})
	for i := range 5 {
		keep(t, s, "run", strconv.Itoa(i), 10, 100, 1)
		now = now.Add(time.Minute)
	}
	totals, err := s.FileTotals(ctx)
	require.NoError(t, err)
	require.Equal(t, KindTotals{Files: 5, Bytes: 500}, totals[KindLabels])

	old, err := s.OlderFiles(ctx, KindLabels, now.Add(-3*time.Minute), nil, 100)
	require.NoError(t, err)
	require.Len(t, old, 2)
	require.Equal(t, []string{"0", "1"}, []string{old[0].Folder, old[1].Folder})
	rest, err := s.OlderFiles(ctx, KindLabels, time.Time{}, &old[1], 2)
	require.NoError(t, err)
	require.Equal(t, []string{"2", "3"}, []string{rest[0].Folder, rest[1].Folder})

	require.NoError(t, s.ForgetFiles(ctx, old))
	totals, err = s.FileTotals(ctx)
	require.NoError(t, err)
	require.Equal(t, KindTotals{Files: 3, Bytes: 300, RemovedFiles: 2, RemovedBytes: 200}, totals[KindLabels])
	require.Equal(t, KindTotals{Files: 5, Bytes: 50}, totals[KindOverlays])
}

func TestARunsResultsGoAndItsJournalStays(t *testing.T) {
	ctx, now := t.Context(), time.Unix(1700000000, 0)
	s := openStore(t, StoreOptions{Now: func() time.Time { return now }})
	for _, run := range []string{"a", "b", "open"} {
		require.NoError(t, s.OpenRun(ctx, RunRecord{ID: run, Source: "acq"}))
		for i := range removeChunk/100 + 2 {
			keep(t, s, run, strconv.Itoa(i), 1, 1, 10)
		}
	}
	require.NoError(t, s.CloseRun(ctx, "b", now, "end", nil))
	require.NoError(t, s.CloseRun(ctx, "a", now.Add(time.Hour), "end", nil))
	runs, err := s.KeptRuns(ctx, 10)
	require.NoError(t, err)
	require.Len(t, runs, 2)
	require.Equal(t, "b", runs[0].ID, "the longest closed comes first")
	require.EqualValues(t, 70, runs[0].Bytes)

	require.NoError(t, s.RemoveRun(ctx, "b"))
	require.ErrorIs(t, s.RemoveRun(ctx, "b"), ErrNotFound)
	require.ErrorIs(t, s.RemoveRun(ctx, "open"), ErrNotFound)
	frames, err := s.Frames(ctx, "b")
	require.NoError(t, err)
	require.Len(t, frames, 7)
	for _, f := range frames {
		require.Equal(t, stateProcessed, f.State)
		require.Empty(t, f.Folder)
		require.Nil(t, f.Summary)
	}
	for range s.Results(ctx, "b") {
		require.Fail(t, "a result is left")
	}
	_, existed, err := s.Admit(ctx, FrameRecord{Source: "acq", Key: "b0"})
	require.NoError(t, err)
	require.True(t, existed, "a file that still lies in the watched folder is not analysed again")
	rec, err := s.Run(ctx, "b")
	require.NoError(t, err)
	require.False(t, rec.RemovedAt.IsZero())
	totals, err := s.FileTotals(ctx)
	require.NoError(t, err)
	require.Equal(t, KindTotals{Files: 14, Bytes: 140, RemovedFiles: 7, RemovedBytes: 70}, totals[KindResults])
	counts, err := s.Counts(ctx)
	require.NoError(t, err)
	require.Equal(t, Counts{Received: 21, Processed: 21}, counts["acq"])
}

func TestAlertsThatAreOverAreForgottenByAgeAndSizeAndActiveOnesNever(t *testing.T) {
	ctx, at := t.Context(), time.Unix(1700000000, 0)
	s := openStore(t, StoreOptions{})
	put := func(key, id, state string, seq uint64) {
		at = at.Add(time.Hour)
		require.NoError(t, s.PutAlerts(ctx, []AlertState{{
			Code: "X", Key: key, ID: id, State: state, Seq: seq, Severity: "info", RaisedAt: at, At: at, Payload: make([]byte, 100),
		}}, nil))
	}
	put("a", "1", AlertRaised, 1)
	put("a", "1", AlertCleared, 2)
	put("b", "2", AlertRaised, 1) // stays active
	put("c", "3", AlertRaised, 1)
	put("c", "3", AlertCleared, 2)

	_, changes, _, err := s.DueAlerts(ctx, time.Unix(1700000000, 0), 0)
	require.NoError(t, err)
	require.Zero(t, changes)
	upTo, changes, bytes, err := s.DueAlerts(ctx, at.Add(-time.Minute), 0)
	require.NoError(t, err)
	require.EqualValues(t, 3, changes, "the active one is not among them")
	require.EqualValues(t, 300, bytes)
	_, changes, _, err = s.DueAlerts(ctx, time.Time{}, 150)
	require.NoError(t, err)
	require.EqualValues(t, 2, changes, "the oldest are enough")
	require.NoError(t, s.RemoveAlerts(ctx, upTo))
	left, _, err := s.AlertHistory(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 2, left)
	active, err := s.ActiveAlerts(ctx)
	require.NoError(t, err)
	require.Len(t, active, 1)
	totals, err := s.FileTotals(ctx)
	require.NoError(t, err)
	require.Equal(t, KindTotals{RemovedFiles: 3, RemovedBytes: 300}, totals[KindAlerts])
}

func TestAStoreOfTheFirstVersionIsBroughtUpWithAllItHolds(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	db, err := sql.Open("sqlite", filepath.Join(dir, StoreFile))
	require.NoError(t, err)
	_, err = db.Exec(storeV1 + `
INSERT INTO sources(name, next_seq, received, processed) VALUES('acq', 4, 3, 3);
INSERT INTO runs(id, source, opened_at, closed_at) VALUES('old', 'acq', 1, 2);
INSERT INTO alerts(code, key, state, id, seq, severity, raised_at) VALUES('X', 'acq', 'raised', 'id', 1, 'info', 5);
PRAGMA user_version = 1;`)
	require.NoError(t, err)
	for i := range 3 {
		folder := filepath.Join(dir, "runs", "old", fmt.Sprint(i))
		require.NoError(t, os.MkdirAll(folder, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, LabelsFile), make([]byte, 100), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(folder, ResultFile), make([]byte, 7), 0o644))
		_, err = db.Exec(`INSERT INTO frames(id, run_id, source, key, path, name, seq, sha256, size, state, reason, received_at, done_at, folder)
			VALUES(?, 'old', 'acq', ?, '', '', ?, '', 0, 'processed', '', 1, ?, ?)`, fmt.Sprint("f", i), fmt.Sprint(i), i, 10+i, fmt.Sprint(i))
		require.NoError(t, err)
	}
	require.NoError(t, db.Close())

	_, err = OpenStore(ctx, StoreOptions{Dir: dir, ReadOnly: true})
	require.ErrorIs(t, err, ErrOlderVersion)
	s := openStore(t, StoreOptions{Dir: dir})
	require.Empty(t, s.MovedAside())
	counts, err := s.Counts(ctx)
	require.NoError(t, err)
	require.Equal(t, Counts{Received: 3, Processed: 3}, counts["acq"])
	active, err := s.ActiveAlerts(ctx)
	require.NoError(t, err)
	require.Len(t, active, 1)
	calls := 0
	for more := true; more; calls++ {
		more, err = s.ListEarlier(ctx, func(run, name string) string { return filepath.Join(dir, "runs", run, name) }, 2)
		require.NoError(t, err)
	}
	require.Equal(t, 2, calls)
	totals, err := s.FileTotals(ctx)
	require.NoError(t, err)
	require.Equal(t, KindTotals{Files: 3, Bytes: 300}, totals[KindLabels])
	require.Equal(t, KindTotals{Files: 3, Bytes: 21}, totals[KindResults])
	files, err := s.OlderFiles(ctx, KindLabels, time.Time{}, nil, 10)
	require.NoError(t, err)
	require.Equal(t, "0", files[0].Folder, "in the order of their frames")
	more, err := s.ListEarlier(ctx, nil, 2)
	require.NoError(t, err)
	require.False(t, more, "once is enough")
}

func TestAWriteAheadLogThatWasCutLosesAtMostItsLastRecords(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	s, err := OpenStore(ctx, StoreOptions{Dir: dir})
	require.NoError(t, err)
	defer s.Close()
	for i := range 20 {
		admit(t, s, "acq", strconv.Itoa(i))
	}
	wal, err := os.ReadFile(filepath.Join(dir, StoreFile+"-wal"))
	require.NoError(t, err)
	main, err := os.ReadFile(filepath.Join(dir, StoreFile))
	require.NoError(t, err)
	for _, cut := range []int{1, 100, 4096, len(wal) / 2, len(wal) - 10} {
		copied := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(copied, StoreFile), main, 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(copied, StoreFile+"-wal"), wal[:len(wal)-cut], 0o644))
		c := openStore(t, StoreOptions{Dir: copied})
		require.Empty(t, c.MovedAside(), "cut by %d bytes", cut)
		frames, err := c.Pending(ctx, "acq")
		require.NoError(t, err)
		counts, err := c.Counts(ctx)
		require.NoError(t, err)
		require.EqualValues(t, len(frames), counts["acq"].Received)
		if cut < 100 {
			require.Len(t, frames, 19, "the record that was cut is gone, and no other")
		}
	}
}
