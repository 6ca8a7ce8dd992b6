package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// keeper is a data directory with frames in it, one each minute.
type keeper struct {
	t     *testing.T
	now   time.Time
	store *reporting.Store
	runs  *runs
	r     *retention
}

func newKeeper(t *testing.T, c RetentionConfig) *keeper {
	t.Helper()
	k := &keeper{t: t, now: time.Now().UTC()}
	var err error
	k.store, err = reporting.OpenStore(t.Context(), reporting.StoreOptions{Dir: t.TempDir(), Now: func() time.Time { return k.now }})
	require.NoError(t, err)
	t.Cleanup(func() {
		k.runs.closeAll(t.Context())
		require.NoError(t, k.store.Close())
	})
	k.runs = testRuns(t, k.store, &k.now)
	c.Every = time.Hour
	k.r = newRetention(c)
	k.r.Store, k.r.Runs, k.r.Dir, k.r.Log, k.r.Now = k.store, k.runs, k.store.Dir(), zap.NewNop(), func() time.Time { return k.now }
	return k
}

// frame leaves a frame of a run with files of size bytes each, and returns its folder.
func (k *keeper) frame(run string, size int) string {
	k.t.Helper()
	ctx := k.t.Context()
	k.now = k.now.Add(time.Minute)
	name := fmt.Sprintf("f%d", k.now.UnixNano())
	a, err := journal{store: k.store, runs: k.runs}.Admit(ctx, stream.Receipt{Source: "acq", Key: name, Name: name, RunHint: run})
	require.NoError(k.t, err)
	folder := filepath.Join(k.runs.dir(run), name)
	require.NoError(k.t, os.Mkdir(folder, 0o755))
	for _, file := range []string{reporting.OverlayFile, reporting.LabelsFile, reporting.ParticlesFile, reporting.ResultFile} {
		require.NoError(k.t, os.WriteFile(filepath.Join(folder, file), make([]byte, size), 0o644))
	}
	files, err := reporting.FolderFiles(folder)
	require.NoError(k.t, err)
	require.NoError(k.t, k.store.Commit(ctx, reporting.Completion{
		FrameID: a.FrameID, State: "processed", Folder: name, Files: files, Result: &reporting.Result{}, Summary: []byte("{}"),
	}))
	k.runs.done(ctx, run, false)
	return folder
}

func has(folder, file string) bool {
	_, err := os.Stat(filepath.Join(folder, file))
	return err == nil
}

func TestPicturesGoByAgeAndLabelsBySizeAlsoInAnOpenRun(t *testing.T) {
	k := newKeeper(t, RetentionConfig{Overlays: KeepConfig{MaxAge: 150 * time.Second}, Labels: KeepConfig{MaxMB: 3}})
	var folders []string
	for range 5 {
		folders = append(folders, k.frame("run", 1<<20))
	}
	k.r.sweep(t.Context())
	for i, folder := range folders {
		require.Equal(t, i >= 2, has(folder, reporting.OverlayFile), "overlay %d", i)
		require.Equal(t, i >= 2, has(folder, reporting.LabelsFile), "labels %d", i)
		require.True(t, has(folder, reporting.ParticlesFile) && has(folder, reporting.ResultFile))
	}
	states, err := k.r.states(t.Context())
	require.NoError(t, err)
	require.Equal(t, kindState{kept: due{3, 3 << 20}, due: due{2, 2 << 20}, removed: due{2, 2 << 20}}, states[reporting.KindLabels])
	require.Equal(t, due{5, 10 << 20}, states[reporting.KindResults].kept)
	k.r.sweep(t.Context())
	states, err = k.r.states(t.Context())
	require.NoError(t, err)
	require.Zero(t, states[reporting.KindLabels].due, "nothing is due a second time")
}

func TestADryRunCountsAndDeletesNothing(t *testing.T) {
	k := newKeeper(t, RetentionConfig{DryRun: true, Overlays: KeepConfig{MaxMB: 1}, Labels: KeepConfig{MaxAge: time.Second}, Results: KeepConfig{MaxAge: time.Second}})
	var folders []string
	for range 3 {
		folders = append(folders, k.frame("run", 1<<20))
	}
	k.runs.closeAll(t.Context())
	k.now = k.now.Add(time.Hour)
	k.r.sweep(t.Context())
	for _, folder := range folders {
		require.True(t, has(folder, reporting.OverlayFile) && has(folder, reporting.LabelsFile) && has(folder, reporting.ResultFile))
	}
	states, err := k.r.states(t.Context())
	require.NoError(t, err)
	require.Equal(t, kindState{kept: due{3, 3 << 20}, due: due{2, 2 << 20}}, states[reporting.KindOverlays])
	require.Equal(t, due{3, 3 << 20}, states[reporting.KindLabels].due)
	require.Equal(t, due{3, 6 << 20}, states[reporting.KindResults].due)

	registry := prometheus.NewRegistry()
	registry.MustRegister(storageCollector{&newTestDisk(t).disk, k.r})
	families, err := registry.Gather()
	require.NoError(t, err)
	lines := map[string]int{}
	for _, f := range families {
		lines[f.GetName()] = len(f.GetMetric())
	}
	require.Equal(t, len(reporting.Kinds()), lines["aimsd_retention_due_bytes"])
	require.Equal(t, 1, lines["aimsd_disk_free_bytes"])
}

func TestResultsGoByWholeClosedRuns(t *testing.T) {
	k := newKeeper(t, RetentionConfig{Results: KeepConfig{MaxAge: time.Hour}})
	old, kept := k.frame("old", 10), k.frame("new", 10)
	k.runs.done(t.Context(), "old", true)
	k.now = k.now.Add(2 * time.Hour)
	open := k.frame("open", 10)
	k.runs.done(t.Context(), "new", true)
	k.now = k.now.Add(30 * time.Minute)
	require.DirExists(t, old)
	k.r.sweep(t.Context())
	require.NoDirExists(t, k.runs.dir("old"))
	require.True(t, has(kept, reporting.ResultFile), "closed not long ago")
	require.True(t, has(open, reporting.ResultFile))
	k.now = k.now.Add(24 * time.Hour)
	k.r.sweep(t.Context())
	require.NoDirExists(t, k.runs.dir("new"))
	require.True(t, has(open, reporting.ResultFile), "an open run is left alone, however old")
	entries, err := os.ReadDir(filepath.Join(k.store.Dir(), runsFolder))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left over")

	again := k.frame("old", 10) // a stream that names it opens it again
	require.True(t, has(again, reporting.ResultFile))
	rec, err := k.store.Run(t.Context(), "old")
	require.NoError(t, err)
	require.Zero(t, rec.RemovedAt)
	k.runs.closeAll(t.Context())
	require.FileExists(t, filepath.Join(k.runs.dir("old"), reporting.ReportFile), "with a report, though part of its results is gone")
}

func TestEvidenceGoesByAlertAndWhatACrashLeftIsFinished(t *testing.T) {
	k := newKeeper(t, RetentionConfig{Evidence: KeepConfig{MaxMB: 2}})
	for i := range 4 {
		folder := filepath.Join(k.store.Dir(), evidenceFolder, fmt.Sprint(i))
		require.NoError(t, os.MkdirAll(folder, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "frame.png"), make([]byte, 1<<20), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(folder, evidenceFile), nil, 0o644))
		at := k.now.Add(time.Duration(i) * time.Minute)
		require.NoError(t, os.Chtimes(folder, at, at))
	}
	making := filepath.Join(k.store.Dir(), evidenceFolder, "making")
	require.NoError(t, os.Mkdir(making, 0o755))
	left := filepath.Join(k.store.Dir(), runsFolder, removedPrefix+"x")
	require.NoError(t, os.MkdirAll(filepath.Join(left, "frame"), 0o755))
	k.r.finishRemovals()
	require.NoDirExists(t, left)
	k.r.sweep(t.Context())
	require.DirExists(t, making)
	for i := range 4 {
		require.Equal(t, i >= 2, has(filepath.Join(k.store.Dir(), evidenceFolder), fmt.Sprint(i)), i)
	}
	states, err := k.r.states(t.Context())
	require.NoError(t, err)
	require.Equal(t, kindState{kept: due{2, 2 << 20}, due: due{2, 2 << 20}, removed: due{2, 2 << 20}}, states[reporting.KindEvidence])
}

func TestRetentionTouchesNothingThatItDidNotWrite(t *testing.T) {
	k := newKeeper(t, RetentionConfig{
		Overlays: KeepConfig{MaxAge: time.Nanosecond}, Labels: KeepConfig{MaxAge: time.Nanosecond},
		Results: KeepConfig{MaxAge: time.Nanosecond}, Evidence: KeepConfig{MaxAge: time.Nanosecond},
	})
	source := t.TempDir()
	mine := filepath.Join(source, reporting.OverlayFile) // a source's file with the name of one of ours
	require.NoError(t, os.WriteFile(mine, []byte("x"), 0o644))
	folder := k.frame("run", 10)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "notes.txt"), []byte("x"), 0o644))
	k.now = k.now.Add(time.Hour)
	k.r.sweep(t.Context())
	require.True(t, has(folder, "notes.txt"), "beside the files of an open run")
	require.False(t, has(folder, reporting.OverlayFile))
	require.FileExists(t, mine)
}
