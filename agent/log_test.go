package agent

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func TestAFullLogFileIsReplacedAndOldOnesGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log", "aimsd.log")
	l, err := newLogger(LogConfig{Level: "info", Format: "json", File: path, MaxSizeMB: 1, Keep: 2})
	require.NoError(t, err)
	line := strings.Repeat("x", 1000)
	for range 5 << 10 { // 5 MiB
		l.Info("filler", zap.String("of", line))
	}
	l.setLevel("error")
	l.Info("too low")
	l.setLevel("info")
	l.Info("last")
	require.NoError(t, l.Close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Less(t, len(data), 1<<20)
	require.Contains(t, string(data), `"msg":"last"`)
	require.NotContains(t, string(data), "too low")

	var kept []string
	require.Eventually(t, func() bool {
		kept, err = filepath.Glob(filepath.Join(filepath.Dir(path), "*.gz"))
		return err == nil && len(kept) == 2 && len(entries(t, filepath.Dir(path))) == 3
	}, 20*time.Second, 20*time.Millisecond, "the file and two compressed ones")
	f, err := os.Open(kept[0])
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	text, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Contains(t, string(text), `"msg":"filler"`)
}

func TestALogFileThatCannotBeWrittenIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := newLogger(LogConfig{Level: "info", Format: "json", File: filepath.Join(file, "aimsd.log"), MaxSizeMB: 1})
	require.ErrorContains(t, err, "log.file")
	_, err = newLogger(LogConfig{Level: "loud"})
	require.ErrorContains(t, err, "log.level")
}
