package reporting

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRecallKnowsFinalFramesByTheBeginningOfTheirKey(t *testing.T) {
	s, err := OpenStore(t.Context(), StoreOptions{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	recall := func(source, prefix string) bool {
		known, err := s.Recall(t.Context(), source, prefix)
		require.NoError(t, err)
		return known
	}
	rec, _, err := s.Admit(t.Context(), FrameRecord{Source: "acq", Key: "a%_b.tif|10|20|beef"})
	require.NoError(t, err)
	require.False(t, recall("acq", "a%_b.tif|10|20|"), "an accepted frame is still to be done")
	require.NoError(t, s.Commit(t.Context(), Completion{FrameID: rec.ID, State: "rejected", Reason: "test"}))
	require.True(t, recall("acq", "a%_b.tif|10|20|"))
	require.False(t, recall("acq", "a%_b.tif|10|21|"))
	require.False(t, recall("acq", "axxb.tif|10|20|"))
	require.False(t, recall("other", "a%_b.tif|10|20|"))
}
