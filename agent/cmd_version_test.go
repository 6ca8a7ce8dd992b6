package agent

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheVersionIsAFlagAndACommand(t *testing.T) {
	for _, arg := range []string{"--version", "version"} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitOK, Main([]string{arg}, &stdout, &stderr), stderr.String())
		require.Regexp(t, `^aimsd (version )?`+regexp.QuoteMeta(version())+`\b`, stdout.String())
	}
}
