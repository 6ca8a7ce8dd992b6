package stream

import (
	"slices"

	"golang.org/x/sys/unix"
)

// onNetwork reports whether a path lies on a file system that other machines change without an event here.
// Numbers from statfs(2) and the kernel's magic.h; FUSE counts, since sshfs and its like are network mounts.
func onNetwork(path string) bool {
	var s unix.Statfs_t
	if unix.Statfs(path, &s) != nil {
		return false
	}
	return slices.Contains([]uint32{
		unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC,
		unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC, unix.CEPH_SUPER_MAGIC, unix.AFS_SUPER_MAGIC,
		unix.AFS_FS_MAGIC, unix.CODA_SUPER_MAGIC, unix.NCP_SUPER_MAGIC, unix.OCFS2_SUPER_MAGIC,
		0x01161970, // GFS2
		0x0BD00BD0, // Lustre
		0x786F4256, // VirtualBox shared folder
		0x19830326, // BeeGFS
		0x47504653, // GPFS
	}, uint32(s.Type))
}
