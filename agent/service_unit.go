//go:build !windows

package agent

import (
	"cmp"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/uni-aims/aimsd/configs"
)

// Render implements serviceManager: the unit file.
func (m *systemd) Render(s serviceSpec) (string, error) {
	for _, path := range []string{s.Exe, s.ConfigPath, s.Config.DataDir, s.Library} {
		if strings.ContainsAny(path, "\"'\\%$\n") {
			return "", fmt.Errorf("service: %q has characters that a unit file gives another meaning; move it", path)
		}
	}
	owner := cmp.Or(s.User, defaultService)
	set := map[string]string{
		"User": owner, "Group": owner,
		"ExecStartPre":  fmt.Sprintf("-%q check -c %q", s.Exe, s.ConfigPath),
		"ExecStart":     fmt.Sprintf("%q run -c %q", s.Exe, s.ConfigPath),
		"Documentation": "file:" + strings.ReplaceAll(s.ConfigPath, " ", "%%20"), // a % begins what systemd replaces
		// The folder of the data is made by install, wherever it is.
		"StateDirectory": "", "StateDirectoryMode": "",
		"Environment": fmt.Sprintf("%q", "XDG_CACHE_HOME="+filepath.Join(s.Config.DataDir, "cache")),
	}
	if group, err := primaryGroup(owner); err == nil {
		set["Group"] = group
	}
	if s.Library != "" {
		set["Environment"] += fmt.Sprintf(" %q", "AIMSD_ORT_LIB="+s.Library)
	}
	if s.usesGPU() {
		set["PrivateDevices"], set["MemoryDenyWriteExecute"] = "no", "no"
	}
	if s.inTemp() {
		set["PrivateTmp"] = "no"
	}
	_, unit, _ := strings.Cut(string(configs.Unit), "\n\n") // without how it is installed by hand
	var b strings.Builder
	fmt.Fprintln(&b, unitMark)
	for line := range strings.Lines(unit) {
		key, _, ok := strings.Cut(line, "=")
		value, replaced := set[key]
		switch {
		case !ok || !replaced || strings.HasPrefix(line, "#"):
			b.WriteString(line)
		case value != "":
			fmt.Fprintf(&b, "%s=%s\n", key, value)
		}
		delete(set, key)
		if key == "UMask" {
			fmt.Fprintf(&b, "ReadWritePaths=%s\n", strings.Join(s.written(), " "))
		}
	}
	if len(set) > 0 { // the template lost a line
		return "", fmt.Errorf("service: the unit's template has no %v", set)
	}
	return b.String(), nil
}

// written are the folders the daemon writes to, quoted.
func (s *serviceSpec) written() []string {
	folders := []string{strconv.Quote(s.Config.DataDir)}
	if s.Config.Log.File != "" {
		folders = append(folders, strconv.Quote("-"+filepath.Dir(s.Config.Log.File)))
	}
	return folders
}

// usesGPU reports whether the service must see the machine's GPU.
func (s *serviceSpec) usesGPU() bool {
	_, err := os.Stat("/dev/nvidiactl")
	return s.Config.Infer.Provider == "cuda" || s.Config.Infer.Provider == "auto" && err == nil
}

// inTemp reports whether a folder of the configuration is in one that services do not share.
func (s *serviceSpec) inTemp() bool {
	paths := []string{s.Exe, s.ConfigPath, s.Config.DataDir, s.Config.Log.File, s.Library}
	for _, source := range s.Config.Sources {
		paths = append(paths, source.Path)
	}
	return slices.ContainsFunc(paths, func(path string) bool {
		return path != "" && (within("/tmp", path) || within("/var/tmp", path))
	})
}

func primaryGroup(name string) (string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		return "", err
	}
	return g.Name, nil
}
