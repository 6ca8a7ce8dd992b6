//go:build linux

package soak

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/uni-aims/aimsd/infer"
)

// program is the binary under test, built when the first test needs it.
var program struct {
	once    sync.Once
	err     error // why there is none
	dir     string
	exe     string
	ortPath string
	missing error // why there is no library
}

func TestMain(m *testing.M) {
	status := m.Run()
	if status == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "soak:", err)
			status = 1
		}
	}
	if program.dir != "" {
		_ = os.RemoveAll(program.dir)
	}
	os.Exit(status)
}

// needProgram builds the program, and skips where there is no library to analyse frames with; under CI that
// fails.
func needProgram(t testing.TB) {
	t.Helper()
	program.once.Do(func() { program.err = buildProgram() })
	require.NoError(t, program.err)
	switch {
	case program.missing == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("CI is set and this test cannot run: %v", program.missing)
	default:
		t.Skipf("SKIPPED, NOT TESTED: %v", program.missing)
	}
}

func buildProgram() (err error) {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	if program.ortPath, program.missing = infer.FindLibrary(); program.missing != nil && os.Getenv(infer.LibraryEnv) == "" {
		built := filepath.Join(root, "bin", "lib", "libonnxruntime.so") // where `make build` puts it
		if _, err := os.Stat(built); err == nil {
			program.ortPath, program.missing = built, nil
		}
	}
	if program.dir, err = os.MkdirTemp("", "aimsd-soak-"); err != nil {
		return err
	}
	program.exe = filepath.Join(program.dir, "bin", "aimsd")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", program.exe, ".")
	build.Dir = root
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the program: %w\n%s", err, said)
	}
	return nil
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
