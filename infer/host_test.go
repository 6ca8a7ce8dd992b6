package infer

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/infer/models"
)

// lender lends memory and knows how much of it is lent.
type lender struct{ pieces, most int }

func (l *lender) alloc(bytes int) ([]byte, func() error, error) {
	if bytes > l.most {
		return nil, nil, errors.New("no more page-locked memory")
	}
	l.pieces++
	return make([]byte, bytes), func() error { l.pieces--; return nil }, nil
}

func TestANetworkGivesTheSameByWayOfPageLockedMemory(t *testing.T) {
	openSegmenter(t) // skips without the library
	model, err := models.Load("light-fp16")
	require.NoError(t, err)
	s, err := OpenSession(SessionOptions{Provider: "cpu", Model: model, Threads: 1})
	require.NoError(t, err)
	l := &lender{most: 1 << 21}
	for _, side := range []int{64, 288, 352} { // fits, grows, and cannot grow any more
		image := make([]float32, side*side)
		for i := range image {
			image[i] = float32(i%side) / float32(side)
		}
		want, got := make([]float32, Channels*side*side), make([]float32, Channels*side*side)
		s.all.host = nil
		require.NoError(t, s.Predict(t.Context(), image, side, side, want))
		s.pin(l.alloc)
		require.NoError(t, s.Predict(t.Context(), image, side, side, got))
		require.Equal(t, want, got)
		require.Equal(t, side < 352, s.all.host.memory != nil)
		require.NoError(t, s.all.host.Close())
	}
	require.NoError(t, s.Close())
	require.Zero(t, l.pieces)
}

func TestASessionWithoutPageLockedMemorySaysWhy(t *testing.T) {
	s := &Session{all: &lane{}, Why: "fp16 on the GPU"}
	s.pin((&lender{}).alloc)
	require.Nil(t, s.all.host)
	require.Equal(t, "fp16 on the GPU; copies to the GPU take longer: no more page-locked memory", s.Why)
	l := &lender{most: 1 << 21}
	s.pin(l.alloc)
	require.NotNil(t, s.all.host)
	require.Equal(t, 1, l.pieces)
	require.NoError(t, s.Close())
	require.Zero(t, l.pieces)
}
