package reporting

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCausesAddUpToTheOutcomesOfEachSource(t *testing.T) {
	ctx := t.Context()
	s, err := OpenStore(ctx, StoreOptions{Dir: t.TempDir()})
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Skip(ctx, []FrameRecord{{Source: "a", Key: "old1"}, {Source: "a", Key: "old2"}}))
	require.NoError(t, s.Skip(ctx, []FrameRecord{{Source: "a", Key: "old1"}}), "it is known")
	end := func(source, state, cause string) {
		rec, _, err := s.Admit(ctx, FrameRecord{Source: source, Key: fmt.Sprint(source, state, cause)})
		require.NoError(t, err)
		c := Completion{FrameID: rec.ID, State: state, Cause: cause}
		if state == stateProcessed {
			c.Result = &Result{}
		}
		require.NoError(t, s.Commit(ctx, c))
		require.ErrorIs(t, s.Commit(ctx, c), ErrAlreadyFinal)
	}
	end("a", stateProcessed, "")
	end("a", stateRejected, "vanished")
	end("a", stateRejected, "")
	end("b", stateDropped, "superseded")
	_, _, err = s.Admit(ctx, FrameRecord{Source: "b", Key: "waiting"})
	require.NoError(t, err)
	accounts, err := s.Accounts(ctx)
	require.NoError(t, err)
	require.Equal(t, map[string]Account{
		"a": {Counts{Received: 5, Processed: 1, Gated: 2, Rejected: 2}, map[string]map[string]int64{
			"gated": {"backlog": 2}, "rejected": {"vanished": 1, "other": 1},
		}},
		"b": {Counts{Received: 2, Dropped: 1, InFlight: 1}, map[string]map[string]int64{"dropped": {"superseded": 1}}},
	}, accounts)
}
