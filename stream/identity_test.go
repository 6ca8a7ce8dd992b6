package stream_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream"
)

func TestSameFileComparesSizeAndTimeOfAKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a|b.tif")
	require.NoError(t, os.WriteFile(path, []byte("12345"), 0o600))
	at := time.Unix(1700000000, 123456789)
	require.NoError(t, os.Chtimes(path, at, at))
	info, err := os.Stat(path)
	require.NoError(t, err)
	mtime := info.ModTime().UnixNano()
	for key, same := range map[string]bool{
		fmt.Sprintf("a|b.tif|5|%d|c0ffee", mtime):     true,
		fmt.Sprintf("a|b.tif|5|%d|unreadable", mtime): true,
		fmt.Sprintf("a|b.tif|6|%d|c0ffee", mtime):     false,
		fmt.Sprintf("a|b.tif|5|%d|c0ffee", mtime+1):   false,
		"no key at all": false,
		"":              false,
	} {
		require.Equal(t, same, stream.SameFile(key, info), key)
	}
	dir, err := os.Stat(filepath.Dir(path))
	require.NoError(t, err)
	require.False(t, stream.SameFile(fmt.Sprintf("a|%d|%d|", dir.Size(), dir.ModTime().UnixNano()), dir), "a folder is no file")
}
