package reporting

import "golang.org/x/sys/windows"

// diskErrors are this system's own names of a disk's states.
func diskErrors() []error {
	return []error{
		windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_WRITE_PROTECT,
		windows.ERROR_NOT_READY, windows.ERROR_DISK_QUOTA_EXCEEDED,
	}
}
