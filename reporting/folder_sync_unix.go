//go:build unix

package reporting

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncDir makes renames inside dir durable. File systems that cannot sync folders are left alone.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return nil
}
