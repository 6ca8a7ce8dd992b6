package stream

import (
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

// onNetwork reports whether a path is a share (\\server\share), or lies on a drive that is one.
func onNetwork(path string) bool {
	if strings.HasPrefix(path, `\\`) && !strings.HasPrefix(path, `\\?\`) && !strings.HasPrefix(path, `\\.\`) {
		return true
	}
	volume := filepath.VolumeName(path)
	if strings.HasPrefix(volume, `\\?\UNC\`) {
		return true
	}
	root, err := windows.UTF16PtrFromString(strings.TrimPrefix(volume, `\\?\`) + `\`)
	return err == nil && windows.GetDriveType(root) == windows.DRIVE_REMOTE
}
