package reporting

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatCanBeReadOfADamagedStoreIsTakenOver(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	s, err := OpenStore(ctx, StoreOptions{Dir: dir})
	require.NoError(t, err)
	_, err = s.FirstSight(ctx, "acq")
	require.NoError(t, err)
	require.NoError(t, s.OpenRun(ctx, RunRecord{ID: "run", Source: "acq", Provenance: []byte(`{"site":"lab"}`)}))
	const frames = 400
	for i := range frames {
		rec := admit(t, s, "acq", fmt.Sprintf("%05d", i))
		if i < frames-10 { // the last ones wait
			c := Completion{FrameID: rec.ID, State: stateProcessed, Result: sampleResult(), Sizes: Sizes{ECDPx: make([]float32, 200), WeightML: make([]float32, 200)}}
			if i%10 == 0 {
				c.Messages = []Message{frameMessage(s, rec.ID)}
			}
			require.NoError(t, s.Commit(ctx, c))
		}
	}
	require.NoError(t, s.Close())
	path := filepath.Join(dir, StoreFile)
	size, err := os.Stat(path)
	require.NoError(t, err)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	junk := make([]byte, 3*4096)
	for i := range junk {
		junk[i] = byte(i*7 + 1)
	}
	_, err = f.WriteAt(junk, size.Size()/2/4096*4096)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	harmed, err := os.ReadFile(path)
	require.NoError(t, err)

	s, err = OpenStore(ctx, StoreOptions{Dir: dir})
	require.NoError(t, err)
	require.NotEmpty(t, s.MovedAside())
	kept, err := os.ReadFile(s.MovedAside())
	require.NoError(t, err)
	require.Equal(t, sha256.Sum256(harmed), sha256.Sum256(kept), "the old file is left as it is")
	first, err := s.FirstSight(ctx, "acq")
	require.NoError(t, err)
	require.False(t, first, "what waited is not taken for a backlog")
	counts, err := s.Counts(ctx)
	require.NoError(t, err)
	require.Greater(t, counts["acq"].Received, int64(frames*9/10))
	pending, err := s.Pending(ctx, "acq")
	require.NoError(t, err)
	require.Len(t, pending, 10, "those that waited still do")
	require.EqualValues(t, 10, counts["acq"].InFlight)
	known := 0
	for i := 0; i < frames; i += 10 {
		_, existed, err := s.Admit(ctx, FrameRecord{Source: "acq", Key: fmt.Sprintf("%05d", i), RunID: "run"})
		require.NoError(t, err)
		if existed {
			known++
		}
	}
	require.GreaterOrEqual(t, known, frames/10*9/10)
	results := 0
	for _, err := range s.Results(ctx, "run") {
		require.NoError(t, err)
		results++
	}
	require.Greater(t, results, frames*8/10)
	waiting, _, _, err := s.OutboxStats(ctx)
	require.NoError(t, err)
	require.Greater(t, waiting, int64(frames/10*8/10))
	run, err := s.Run(ctx, "run")
	require.NoError(t, err)
	require.JSONEq(t, `{"site":"lab"}`, string(run.Provenance))
	rec, _, err := s.Admit(ctx, FrameRecord{Source: "acq", Key: "new"})
	require.NoError(t, err)
	require.Greater(t, rec.Seq, uint64(frames))
	require.NoError(t, s.Close())

	s, err = OpenStore(ctx, StoreOptions{Dir: dir})
	require.NoError(t, err)
	require.Empty(t, s.MovedAside(), "the new one is sound")
	require.NoError(t, s.Close())
	t.Logf("%d of %d frames and %d of %d results were saved", counts["acq"].Received, frames, results, frames-10)
}

func TestDamageThatIsMetInUseIsLookedForAtTheNextStart(t *testing.T) {
	s := openStore(t, StoreOptions{})
	mark := filepath.Join(s.Dir(), StoreFile+suspectSuffix)
	require.False(t, s.Damaged(ErrNotFound))
	require.NoFileExists(t, mark)
	require.True(t, s.Damaged(fmt.Errorf("commit: %w", errDamaged)))
	require.FileExists(t, mark)
	require.NoError(t, s.Close())
	again := openStore(t, StoreOptions{Dir: s.Dir()})
	require.Empty(t, again.MovedAside(), "it was sound after all")
	require.NoFileExists(t, mark)
}
