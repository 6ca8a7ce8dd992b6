package agent

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream"
)

func TestLatestHandsTheNextOverWhenTheOneBeforeHasPassed(t *testing.T) {
	in, out := make(chan stream.Arrival), make(chan stream.Arrival)
	var dropped []uint64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		latest(in, out, func(a stream.Arrival) { dropped = append(dropped, a.Receipt.Seq) })
	}()
	send := func(seq uint64) { in <- stream.Arrival{Receipt: stream.Receipt{Seq: seq}} }
	send(1)
	first := <-out
	send(2)
	send(3)
	select {
	case a := <-out:
		require.Fail(t, "it waits behind the first", a.Receipt.Seq)
	case <-time.After(20 * time.Millisecond):
	}
	first.Pass()
	third := <-out
	require.EqualValues(t, 3, third.Receipt.Seq)
	third.Pass()
	send(4)
	require.EqualValues(t, 4, (<-out).Receipt.Seq)
	close(in)
	<-ended
	require.Equal(t, []uint64{2}, dropped)
}
