package reporting

import "golang.org/x/sys/unix"

// exchange swaps two folders in one step (renameat2, Linux 3.15). File systems that cannot do it, NFS
// among them, return an error and change nothing.
func exchange(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}
