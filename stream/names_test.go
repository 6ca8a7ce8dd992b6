package stream_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream"
)

func errorContains(err error, part string) bool { return strings.Contains(err.Error(), part) }

func TestNamesOfUnfinishedAndHiddenFilesAreIgnored(t *testing.T) {
	for _, name := range []string{".x.tif", "x.tif.tmp", "x.TMP", "x.part", "x.partial", "x.tif~", "x.crdownload", "~$x.tif"} {
		require.True(t, stream.IgnoredName(name), name)
	}
	for _, name := range []string{"x.tif", "part.tif", "tmp", "x.png"} {
		require.False(t, stream.IgnoredName(name), name)
	}
}

func TestNaturalOrderReadsNumbers(t *testing.T) {
	names := []string{"a10", "a2", "a1", "b", "a2b", "a02", "", "10", "9", "a"}
	slices.SortFunc(names, stream.CompareNatural)
	require.Equal(t, []string{"", "9", "10", "a", "a1", "a02", "a2", "a2b", "a10", "b"}, names)
}
