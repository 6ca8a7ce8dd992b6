//go:build linux

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/uni-aims/aimsd/infer"
)

// program is what is tested: the binary that TestMain builds, and the library it loads.
var program struct {
	exe     string
	ortPath string
	missing error // why there is no library
}

func TestMain(m *testing.M) {
	status, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		status = 1
	}
	os.Exit(status)
}

func buildAndRun(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "aimsd-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	root, err := moduleRoot()
	if err != nil {
		return 1, err
	}
	program.ortPath, program.missing = findLibrary(root)
	program.exe = filepath.Join(dir, "bin", "aimsd")
	// Debian keeps the broker where not every PATH leads.
	if err := os.Setenv("PATH", os.Getenv("PATH")+string(filepath.ListSeparator)+"/usr/sbin"); err != nil {
		return 1, err
	}
	build := exec.CommandContext(context.Background(), "go", "build", "-o", program.exe, ".")
	build.Dir = root
	if said, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build the program: %w\n%s", err, said)
	}
	status := m.Run()
	if status == 0 {
		err = goleak.Find()
	}
	return status, err
}

// moduleRoot is the folder of go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the test's folder")
		}
	}
	return "", err
}

// findLibrary looks where the program does, and where `make build` puts the library.
func findLibrary(root string) (string, error) {
	path, err := infer.FindLibrary()
	if err == nil {
		return path, nil
	}
	built := filepath.Join(root, "bin", "lib", "libonnxruntime.so")
	if _, e := os.Stat(built); e == nil && os.Getenv(infer.LibraryEnv) == "" {
		return built, nil
	}
	return "", err
}

// needLibrary skips a test that analyses frames where that is impossible; under CI it fails.
func needLibrary(t testing.TB) {
	t.Helper()
	switch {
	case program.missing == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("CI is set and this test cannot run: %v", program.missing)
	default:
		t.Skipf("SKIPPED, NOT TESTED: %v", program.missing)
	}
}

// environment is this process's without what would configure the program, with the library.
func environment(extra ...string) []string {
	var env []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "AIMSD_") {
			env = append(env, entry)
		}
	}
	return append(append(env, infer.LibraryEnv+"="+program.ortPath), extra...)
}

// result is what a finished command left.
type result struct {
	status         int
	stdout, stderr string
	peakRSS        int64 // bytes
}

// lines are stderr's, without empty ones.
func (r result) lines() []string {
	return strings.FieldsFunc(r.stderr, func(c rune) bool { return c == '\n' })
}

// aimsd runs a command to its end.
func aimsd(t *testing.T, args ...string) result {
	t.Helper()
	return finish(t, exec.CommandContext(t.Context(), program.exe, args...), environment())
}

func finish(t *testing.T, c *exec.Cmd, env []string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c.Env, c.Stdout, c.Stderr = env, &stdout, &stderr
	err := c.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	r := result{status: c.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
	if usage, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.peakRSS = usage.Maxrss << 10
	}
	return r
}

// patience is how long a test waits for something that is certain to come; the machine may be busy.
const patience = 90 * time.Second

// eventually polls until a condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			require.FailNow(t, "waited in vain", "%s, for %s", what, patience)
		}
	}
}
