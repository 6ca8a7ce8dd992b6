package agent

import "golang.org/x/sys/windows"

// diskSpace asks for the room that this user may take.
func diskSpace(dir string) (space, error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return space{}, err
	}
	var s space
	err = windows.GetDiskFreeSpaceEx(path, &s.free, nil, nil)
	return s, err
}
