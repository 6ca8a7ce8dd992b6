package reporting

import (
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

// fileSystem knows a network drive by its type and a share by its name.
func fileSystem(dir string) (name string, network bool, err error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", false, err
	}
	volume := filepath.VolumeName(abs)
	if strings.HasPrefix(volume, `\\`) && !strings.HasPrefix(volume, `\\?\`) && !strings.HasPrefix(volume, `\\.\`) {
		return volume, true, nil
	}
	root, err := windows.UTF16PtrFromString(volume + `\`)
	if err != nil {
		return "", false, err
	}
	return volume, windows.GetDriveType(root) == windows.DRIVE_REMOTE, nil
}
