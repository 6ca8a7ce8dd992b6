package reporting

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.uber.org/zap"
)

// Folders on their way in and out of Dir. They are hidden and start with the marker's name, so that no
// watcher takes them for frames. A retired folder lies inside its carrier under its own name, so that a
// restart after a crash knows where it belongs.
const (
	tempPrefix = hiddenPrefix + "-new-"
	oldPrefix  = hiddenPrefix + "-old-"
)

// publish puts the finished folder tmp in place under name. Where the system can, the old and the new
// folder are exchanged in one step; elsewhere the old one is moved aside first, and recover puts it back
// if nothing follows.
func (o *OutputFolder) publish(tmp, name string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := os.Chmod(tmp, 0o755); err != nil { // MkdirTemp makes it private
		return err
	}
	if err := syncDir(tmp); err != nil {
		return err
	}
	target := filepath.Join(o.Dir, name)
	if _, err := os.Lstat(target); errors.Is(err, fs.ErrNotExist) {
		if err := o.rename(tmp, target); err != nil {
			return err
		}
		return syncDir(o.Dir)
	} else if err != nil {
		return err
	}
	if err := exchange(tmp, target); err == nil {
		if err := syncDir(o.Dir); err != nil {
			return err
		}
		o.remove(tmp)
		return nil
	}
	return o.replaceStepwise(tmp, target)
}

// replaceStepwise moves the old folder aside, the new one in, and deletes the old one.
func (o *OutputFolder) replaceStepwise(tmp, target string) error {
	carrier, err := os.MkdirTemp(o.Dir, oldPrefix+"*")
	if err != nil {
		return err
	}
	retired := filepath.Join(carrier, filepath.Base(target))
	if err := o.rename(target, retired); err != nil {
		return errors.Join(err, os.Remove(carrier))
	}
	if err := o.rename(tmp, target); err != nil {
		if back := os.Rename(retired, target); back != nil {
			return errors.Join(err, back) // the next Open tries again
		}
		return errors.Join(err, os.Remove(carrier))
	}
	if err := syncDir(o.Dir); err != nil {
		return err
	}
	o.remove(carrier)
	return nil
}

// remove deletes what nobody needs any more; what cannot be deleted now, the next Open deletes.
func (o *OutputFolder) remove(folder string) {
	if err := os.RemoveAll(folder); err != nil {
		o.Log.Warn("could not remove a leftover folder", zap.String("folder", folder), zap.Error(err))
	}
}

// recover undoes what a crash interrupted: retired folders whose successor never arrived return to their
// place; everything else that is hidden and ours is deleted.
func (o *OutputFolder) recover() error {
	entries, err := os.ReadDir(o.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(o.Dir, e.Name())
		switch {
		case !e.IsDir():
			if strings.HasPrefix(e.Name(), tempPrefix) { // a batch file that was never finished
				err = os.Remove(path)
			}
		case strings.HasPrefix(e.Name(), oldPrefix):
			err = o.putBack(path)
		case strings.HasPrefix(e.Name(), tempPrefix):
			err = os.RemoveAll(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *OutputFolder) putBack(carrier string) error {
	retired, err := os.ReadDir(carrier)
	if err != nil {
		return err
	}
	for _, r := range retired {
		target := filepath.Join(o.Dir, r.Name())
		if _, err := os.Lstat(target); errors.Is(err, fs.ErrNotExist) {
			if err := o.rename(filepath.Join(carrier, r.Name()), target); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(carrier)
}

// holdFolder makes the marker file and locks it for this process until it is closed. A file system
// without locks is taken as free.
func holdFolder(marker string) (io.Closer, error) {
	f, err := os.OpenFile(marker, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := tryLock(f); errors.Is(err, errLocked) {
		return nil, cmp.Or(f.Close(), errFolderHeld)
	}
	return f, nil
}
