package reporting

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// File system magic numbers of statfs(2) that name a network share or a folder shared from another machine,
// from linux/magic.h and the file systems' own sources.
func networkMagic(magic uint32) string {
	switch magic {
	case 0x6969:
		return "nfs"
	case 0x517b:
		return "smb"
	case 0xff534d42, 0xfe534d42:
		return "cifs"
	case 0x01021997:
		return "9p"
	case 0x5346414f, 0x6b414653:
		return "afs"
	case 0x00c36400:
		return "ceph"
	case 0x0bd00bd0:
		return "lustre"
	case 0x19830326:
		return "beegfs"
	case 0x47504653:
		return "gpfs"
	case 0x73757245:
		return "coda"
	case 0x564c:
		return "ncp"
	case 0x786f4256:
		return "vboxsf"
	case 0xbacbacbc:
		return "vmhgfs"
	}
	return ""
}

// fuseMagic is shared by sshfs and by drivers of local disks; the mount table tells them apart.
const fuseMagic = 0x65735546

// fileSystem asks the kernel what the folder lies on.
func fileSystem(dir string) (name string, network bool, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "", false, err
	}
	magic := uint32(st.Type)
	if name := networkMagic(magic); name != "" {
		return name, true, nil
	}
	if magic != fuseMagic {
		return fmt.Sprintf("%#x", magic), false, nil
	}
	name = mountType(dir)
	switch name {
	case "fuseblk", "fuse-overlayfs", "fuse.fuse-overlayfs": // a local disk, a container's root
		return name, false, nil
	case "":
		name = "fuse"
	}
	return name, true, nil
}

// mountType finds the folder's device in the mount table; "" when it cannot.
func mountType(dir string) string {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return ""
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	want := fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// "36 35 98:0 /root /mount rw,noatime master:1 - ext3 /dev/root rw": see proc_pid_mountinfo(5).
		before, after, ok := strings.Cut(lines.Text(), " - ")
		head, tail := strings.Fields(before), strings.Fields(after)
		if ok && len(head) > 2 && len(tail) > 0 && head[2] == want {
			return tail[0]
		}
	}
	return ""
}
