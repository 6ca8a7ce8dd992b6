package reporting

import (
	"errors"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// DiskFault reports whether an error is the disk's state (full, over quota, read-only, failing, not to be
// written by this user) or the machine's (out of descriptors), which can pass, rather than the fault of what was
// to be written.
func DiskFault(err error) bool {
	for _, e := range append(diskErrors(), syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO,
		syscall.EACCES, syscall.EPERM, syscall.EMFILE, syscall.ENFILE) {
		if errors.Is(err, e) {
			return true
		}
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	switch e.Code() & 0xff { // the primary code; the rest says where
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY:
		return true
	}
	return false
}
