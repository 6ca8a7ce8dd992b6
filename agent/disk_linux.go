//go:build linux

package agent

import "golang.org/x/sys/unix"

// diskSpace asks statfs(2). File systems that make files as they need them tell of no inodes at all.
func diskSpace(dir string) (space, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return space{}, err
	}
	return space{
		free: s.Bavail * uint64(s.Bsize), noInodes: s.Files > 0 && s.Ffree == 0,
		readOnly: s.Flags&unix.ST_RDONLY != 0,
	}, nil
}
