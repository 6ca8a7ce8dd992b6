//go:build !windows

package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/uni-aims/aimsd/reporting"
)

const (
	unitFolder = "/etc/systemd/system"
	unitMark   = "# Written by: aimsd service install"
)

// systemd installs units. configs/aimsd.service is the template; its paths become those of this machine.
type systemd struct {
	Units string    // folder of units
	Out   io.Writer // what was done
	Run   func(ctx context.Context, name string, args ...string) (string, error)
}

var _ serviceManager = (*systemd)(nil)

// runProgram runs a program and returns what it said; its error is one line with the cause.
func runProgram(ctx context.Context, name string, args ...string) (string, error) {
	said, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("%s is missing here; start `aimsd run -c FILE` with what this machine starts its services with", name)
	}
	if err != nil {
		return string(said), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.Join(strings.Fields(string(said)), " "))
	}
	return string(said), nil
}

func (m *systemd) path(name string) string { return filepath.Join(m.Units, name+".service") }

// Install implements serviceManager: the user, the folder for data, the unit, enabled and started.
func (m *systemd) Install(ctx context.Context, s serviceSpec) error {
	if old, err := os.ReadFile(m.path(s.Name)); err == nil && !strings.HasPrefix(string(old), unitMark) {
		return fmt.Errorf("service: %s was not written by aimsd; remove it, or choose another --name", m.path(s.Name))
	}
	if err := m.prepare(ctx, s); err != nil {
		return err
	}
	text, err := m.Render(s)
	if err != nil {
		return err
	}
	temp := m.path(s.Name) + ".new"
	err = os.WriteFile(temp, []byte(text), 0o644)
	if err == nil {
		err = os.Rename(temp, m.path(s.Name))
	}
	if err != nil {
		return fmt.Errorf("service: %w; run it as root", err)
	}
	fmt.Fprintln(m.Out, "wrote", m.path(s.Name))
	if _, err := m.Run(ctx, "systemctl", "daemon-reload"); err != nil {
		return fmt.Errorf("service: %w", err)
	}
	if _, err := m.Run(ctx, "systemctl", "enable", s.Name); err != nil {
		return fmt.Errorf("service: %w", err)
	}
	fmt.Fprintf(m.Out, "%s starts with the machine\n", s.Name)
	if !s.Start {
		return nil
	}
	if _, err := m.Run(ctx, "systemctl", "restart", s.Name); err != nil { // one that runs takes up the new unit
		return fmt.Errorf("service: %w; see: journalctl -u %s", err, s.Name)
	}
	fmt.Fprintf(m.Out, "%s runs; its log: journalctl -u %s\n", s.Name, s.Name)
	return nil
}

// prepare makes the service's user and its folder of data, and finds what that user cannot reach.
func (m *systemd) prepare(ctx context.Context, s serviceSpec) error {
	owner := cmp.Or(s.User, defaultService)
	if _, err := user.Lookup(owner); err != nil {
		if s.User != "" {
			return fmt.Errorf("service: there is no user %s; make it, or leave --user out", s.User)
		}
		if _, err := m.Run(ctx, "useradd", "--system", "--user-group", "--home-dir", s.Config.DataDir, "--no-create-home",
			"--shell", "/usr/sbin/nologin", owner); err != nil {
			return fmt.Errorf("service: %w; run it as root", err)
		}
		fmt.Fprintln(m.Out, "made the user", owner)
	}
	if owner != "root" {
		for _, path := range []string{s.Exe, s.ConfigPath, s.Library} {
			if closed := closedFolder(path); closed != "" {
				return fmt.Errorf("service: the user %s cannot reach %s, because %s is closed to others; move it, such as to /opt/aimsd, or open the folder", owner, path, closed)
			}
		}
	}
	if err := os.MkdirAll(s.Config.DataDir, 0o750); err != nil {
		return fmt.Errorf("service: %w; run it as root", err)
	}
	if _, err := m.Run(ctx, "chown", owner+":", s.Config.DataDir); err != nil {
		return fmt.Errorf("service: %w; run it as root", err)
	}
	store := filepath.Join(s.Config.DataDir, reporting.StoreFile)
	if _, err := os.Stat(store); err != nil {
		return nil
	}
	if has, err := m.Run(ctx, "stat", "-c", "%U", store); err == nil && strings.TrimSpace(has) != owner {
		return fmt.Errorf("service: %s belongs to %s, from an earlier run; give all of it to the service with: chown -R %s: %s",
			store, strings.TrimSpace(has), owner, s.Config.DataDir)
	}
	return nil
}

// closedFolder is the first folder on the way to path that only its owner and group may pass; "" when none is.
func closedFolder(path string) string {
	if path == "" {
		return ""
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o001 == 0 {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// installed returns errNoService where there is no unit.
func (m *systemd) installed(name string) error {
	if _, err := os.Stat(m.path(name)); errors.Is(err, fs.ErrNotExist) {
		return failedError{fmt.Sprintf("service: %s %v", name, errNoService)}
	}
	return nil
}

// Uninstall implements serviceManager.
func (m *systemd) Uninstall(ctx context.Context, name string) error {
	if err := m.installed(name); err != nil {
		return err
	}
	if text, err := os.ReadFile(m.path(name)); err != nil || !strings.HasPrefix(string(text), unitMark) {
		return fmt.Errorf("service: %s was not written by aimsd; remove it by hand", m.path(name))
	}
	if _, err := m.Run(ctx, "systemctl", "disable", "--now", name); err != nil {
		return fmt.Errorf("service: %w", err)
	}
	if err := os.Remove(m.path(name)); err != nil {
		return fmt.Errorf("service: %w; run it as root", err)
	}
	if _, err := m.Run(ctx, "systemctl", "daemon-reload"); err != nil {
		return fmt.Errorf("service: %w", err)
	}
	fmt.Fprintf(m.Out, "%s is stopped and removed; its data and configuration are left\n", name)
	return nil
}

// Start implements serviceManager.
func (m *systemd) Start(ctx context.Context, name string) error { return m.control(ctx, "start", name) }

// Stop implements serviceManager.
func (m *systemd) Stop(ctx context.Context, name string) error { return m.control(ctx, "stop", name) }

// Reload implements serviceManager.
func (m *systemd) Reload(ctx context.Context, name string) error {
	return m.control(ctx, "reload", name)
}

func (m *systemd) control(ctx context.Context, verb, name string) error {
	if err := m.installed(name); err != nil {
		return err
	}
	if _, err := m.Run(ctx, "systemctl", verb, name); err != nil {
		return fmt.Errorf("service: %w; see: journalctl -u %s", err, name)
	}
	return nil
}

// Status implements serviceManager.
func (m *systemd) Status(ctx context.Context, name string) (string, bool, error) {
	if err := m.installed(name); err != nil {
		return "", false, err
	}
	said, err := m.Run(ctx, "systemctl", "show", name,
		"--property=ActiveState,SubState,MainPID,NRestarts,StatusText,ActiveEnterTimestamp")
	if err != nil {
		return "", false, fmt.Errorf("service: %w", err)
	}
	of := map[string]string{}
	for line := range strings.Lines(said) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		of[key] = value
	}
	line := fmt.Sprintf("%s: %s (%s)", name, of["ActiveState"], of["SubState"])
	if pid := of["MainPID"]; pid != "" && pid != "0" {
		line += ", process " + pid
	}
	if since := of["ActiveEnterTimestamp"]; since != "" {
		line += ", since " + since
	}
	if n := of["NRestarts"]; n != "" && n != "0" {
		line += ", restarted " + n + " times by itself"
	}
	if text := of["StatusText"]; text != "" {
		line += ": " + text
	}
	return line, of["ActiveState"] == "active" || of["ActiveState"] == "reloading", nil
}
