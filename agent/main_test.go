package agent

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMistakesOnTheCommandLineAreNamed(t *testing.T) {
	dir := t.TempDir()
	for want, args := range map[string][]string{
		`simulate: unexpected argument "x"; see aimsd simulate --help`:                      {"simulate", "x"},
		`unknown command "foo"; see aimsd --help`:                                           {"help", "foo"},
		`mode "phases" is not in this version; available: particles, grains, pores, fibres`: {"analyze", "--mode", "phases", dir},
		`mode "layers" is not in this version; available: particles, grains, pores, fibres`: {"measure", "--mode", "layers"},
		`simulate: scene "phases" is not in this version; available: particles, milling`:    {"simulate", "-o", dir, "--scene", "phases"},
		`simulate: --control and --wait are for --scene milling`:                            {"simulate", "-o", dir, "--control", "127.0.0.1:0"},
		`simulate: --wait needs --control; without it nothing could start the milling`:      {"simulate", "-o", dir, "--scene", "milling", "--wait"},
		`simulate: control address "0.0.0.0:8001" is not on loopback, and nothing protects it; use 127.0.0.1`: {
			"simulate", "-o", dir, "--scene", "milling", "--control", "0.0.0.0:8001",
		},
		`--tile is 500; it must be a multiple of 32 from 512 to 4096 px, or 0`:             {"analyze", "--tile", "500", dir},
		`--tile is 8192; it must be a multiple of 32 from 512 to 4096 px, or 0`:            {"analyze", "--tile", "8192", dir},
		`--tile-shift is -1; it must not be negative`:                                      {"analyze", "--tile-shift", "-1", dir},
		`analyze: the input ` + dir + ` is the output folder; name another folder with -o`: {"analyze", "-o", dir + "/", dir},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitUsage, Main(args, &stdout, &stderr), args)
		require.Equal(t, "aimsd: "+want+"\n", stderr.String())
		require.Empty(t, stdout.String())
	}
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitOK, Main([]string{"help", "analyze"}, &stdout, &stderr))
	require.Contains(t, stdout.String(), "aimsd analyze")
}
