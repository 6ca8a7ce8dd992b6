//go:build !windows

package agent

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/reporting"
)

// testSystemd notes what would be run.
func testSystemd(t *testing.T) (*systemd, *[]string, *bytes.Buffer) {
	t.Helper()
	var ran []string
	out := &bytes.Buffer{}
	return &systemd{Units: t.TempDir(), Out: out, Run: func(_ context.Context, name string, args ...string) (string, error) {
		ran = append(ran, strings.Join(append([]string{name}, args...), " "))
		return "", nil
	}}, &ran, out
}

func testService(t *testing.T) serviceSpec {
	t.Helper()
	dir := "/srv/aimsd test" // a blank in it
	c := DefaultConfig()
	c.DataDir, c.Log.File = dir+"/data", dir+"/log/aimsd.log"
	return serviceSpec{Name: "aimsd", Exe: "/opt/aimsd/aimsd", ConfigPath: dir + "/aimsd.yaml", Config: c, User: "root", Start: true}
}

func TestTheUnitHasThePathsOfThisMachine(t *testing.T) {
	m, _, _ := testSystemd(t)
	s := testService(t)
	s.Library = "/opt/ort/libonnxruntime.so"
	unit, err := m.Render(s)
	require.NoError(t, err)
	for _, line := range []string{
		`ExecStart="/opt/aimsd/aimsd" run -c "/srv/aimsd test/aimsd.yaml"`,
		`ExecStartPre=-"/opt/aimsd/aimsd" check -c "/srv/aimsd test/aimsd.yaml"`,
		`ReadWritePaths="/srv/aimsd test/data" "-/srv/aimsd test/log"`,
		`Environment="XDG_CACHE_HOME=/srv/aimsd test/data/cache" "AIMSD_ORT_LIB=/opt/ort/libonnxruntime.so"`,
		"User=root", "Group=root", "Type=notify", "WatchdogSec=60s", "Restart=always", "Nice=5", "ExecReload=/bin/kill -HUP $MAINPID",
		"PrivateTmp=yes", "NoNewPrivileges=yes", "ProtectSystem=strict",
	} {
		require.Contains(t, unit, "\n"+line+"\n")
	}
	require.NotContains(t, unit, "StateDirectory=")
	require.NotContains(t, unit, "/etc/aimsd")
	require.Contains(t, unit, "\n[Unit]\n")

	s.Config.Infer.Provider = "cuda"
	s.Config.Sources = []SourceConfig{{Name: "a", Path: "/tmp/frames"}}
	unit, err = m.Render(s)
	require.NoError(t, err)
	for _, line := range []string{"PrivateDevices=no", "MemoryDenyWriteExecute=no", "PrivateTmp=no"} {
		require.Contains(t, unit, "\n"+line+"\n")
	}
	s.ConfigPath = "/etc/a\nExecStart=/bin/sh"
	_, err = m.Render(s)
	require.ErrorContains(t, err, "another meaning")
}

func TestSystemdTakesTheUnit(t *testing.T) {
	verify, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("SKIPPED, NOT TESTED: there is no systemd-analyze")
	}
	m, _, _ := testSystemd(t)
	s := testService(t)
	s.Exe = "/bin/true"
	unit, err := m.Render(s)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "aimsd.service")
	require.NoError(t, os.WriteFile(path, []byte(unit), 0o600))
	said, err := exec.CommandContext(t.Context(), verify, "verify", "--man=no", path).CombinedOutput()
	for line := range strings.Lines(string(said)) {
		require.NotContains(t, line, "aimsd.service", "%v", err)
	}
}

func TestInstallingAServiceAndTakingItAway(t *testing.T) {
	m, ran, out := testSystemd(t)
	s := testService(t)
	s.Config.DataDir = filepath.Join(t.TempDir(), "data")
	require.NoError(t, m.Install(t.Context(), s))
	require.Equal(t, []string{
		"chown root: " + s.Config.DataDir, "systemctl daemon-reload", "systemctl enable aimsd", "systemctl restart aimsd",
	}, *ran)
	require.DirExists(t, s.Config.DataDir)
	require.Contains(t, out.String(), "journalctl -u aimsd")
	require.FileExists(t, m.path("aimsd"))
	require.NoError(t, m.Install(t.Context(), s), "again: the unit is replaced")

	*ran = nil
	require.NoError(t, m.Start(t.Context(), "aimsd"))
	require.NoError(t, m.Reload(t.Context(), "aimsd"))
	require.NoError(t, m.Stop(t.Context(), "aimsd"))
	require.NoError(t, m.Uninstall(t.Context(), "aimsd"))
	require.Equal(t, []string{
		"systemctl start aimsd", "systemctl reload aimsd", "systemctl stop aimsd", "systemctl disable --now aimsd", "systemctl daemon-reload",
	}, *ran)
	require.NoFileExists(t, m.path("aimsd"))
	for _, act := range []func(context.Context, string) error{m.Start, m.Stop, m.Reload, m.Uninstall} {
		require.ErrorContains(t, act(t.Context(), "aimsd"), "is not installed; install it with")
	}
	_, _, err := m.Status(t.Context(), "aimsd")
	require.ErrorContains(t, err, "is not installed")
}

func TestDataOfAnotherUserAreNamed(t *testing.T) {
	m, _, _ := testSystemd(t)
	run := m.Run
	m.Run = func(ctx context.Context, name string, args ...string) (string, error) {
		if name == "stat" {
			return "somebody\n", nil
		}
		return run(ctx, name, args...)
	}
	s := testService(t)
	s.Config.DataDir = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(s.Config.DataDir, reporting.StoreFile), nil, 0o600))
	require.ErrorContains(t, m.Install(t.Context(), s), "chown -R root: "+s.Config.DataDir)
	require.NoFileExists(t, m.path("aimsd"))
}

func TestAForeignUnitIsLeftAlone(t *testing.T) {
	m, _, _ := testSystemd(t)
	require.NoError(t, os.WriteFile(m.path("aimsd"), []byte("[Unit]\n"), 0o600))
	require.ErrorContains(t, m.Install(t.Context(), testService(t)), "was not written by aimsd")
	require.ErrorContains(t, m.Uninstall(t.Context(), "aimsd"), "was not written by aimsd")
}

func TestStatusIsOneLine(t *testing.T) {
	m, _, _ := testSystemd(t)
	require.NoError(t, os.WriteFile(m.path("aimsd"), []byte(unitMark), 0o600))
	m.Run = func(context.Context, string, ...string) (string, error) {
		return "MainPID=71\nNRestarts=2\nStatusText=takes frames\nActiveState=active\nSubState=running\nActiveEnterTimestamp=Mon 2026-11-23\n", nil
	}
	line, running, err := m.Status(t.Context(), "aimsd")
	require.NoError(t, err)
	require.True(t, running)
	require.Equal(t, "aimsd: active (running), process 71, since Mon 2026-11-23, restarted 2 times by itself: takes frames", line)
	m.Run = func(context.Context, string, ...string) (string, error) {
		return "MainPID=0\nNRestarts=0\nActiveState=failed\nSubState=failed\n", nil
	}
	line, running, err = m.Status(t.Context(), "aimsd")
	require.NoError(t, err)
	require.False(t, running)
	require.Equal(t, "aimsd: failed (failed)", line)
}

func TestAProgramThatTheUserCannotReachIsNamed(t *testing.T) {
	closed := filepath.Join(t.TempDir(), "closed")
	require.NoError(t, os.Mkdir(closed, 0o700))
	require.NotEmpty(t, closedFolder(filepath.Join(closed, "bin", "aimsd")))
	require.Empty(t, closedFolder("/usr/bin/true"))
	_, err := runProgram(t.Context(), "no-such-program-at-all")
	require.ErrorContains(t, err, "is missing here")
	_, err = runProgram(t.Context(), "sh", "-c", "echo said; exit 3")
	require.ErrorContains(t, err, "said")
	require.False(t, errors.Is(err, exec.ErrNotFound))
}
