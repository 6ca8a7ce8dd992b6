package agent

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSimulateRefusesWhatIsNoSizeOrRate(t *testing.T) {
	for _, args := range [][]string{
		{"--size", "300x200junk"}, {"--size", "300x200x5"}, {"--size", "300"}, {"--size", "x"}, {"--size", "20x20"},
		{"--rate", "nan"}, {"--rate", "-1"}, {"--frames", "0"}, {"--scene", "nothing"},
	} {
		var stdout, stderr bytes.Buffer
		status := Main(append([]string{"simulate", "-o", t.TempDir()}, args...), &stdout, &stderr)
		require.Equal(t, exitUsage, status, args)
		require.Empty(t, stdout.String())
		require.Regexp(t, `^aimsd: simulate: [^\n]+\n$`, stderr.String())
	}
}
