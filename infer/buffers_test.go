package infer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBuffersLendWhatFitsAndKeepSmallOnes(t *testing.T) {
	var b buffers
	first := b.get(1000)
	require.Len(t, first, 1000)
	b.put(first)
	second := b.get(900)
	require.Len(t, second, 900)
	require.Same(t, &first[0], &second[0], "the same memory")
	b.put(second)
	require.NotSame(t, &first[0], &b.get(10)[0], "one that is far too large is left to those who need it")
	require.NotSame(t, &first[0], &b.get(2000)[0])
	b.put(make([]float32, keepValues))
	require.Len(t, b.small, 1, "more than is kept goes to the collector")
	require.Equal(t, 1000, b.held)
}
