package stream

import (
	"errors"
	"fmt"

	"github.com/fsnotify/fsnotify"
)

// errOverflow says that events were lost; a full scan finds what they spoke of.
var errOverflow = fsnotify.ErrEventOverflow

// events tells of changes in directories. Both channels are closed when it ends.
type events interface {
	Add(dir string) error
	Events() <-chan fsnotify.Event
	Errors() <-chan error
	Close() error
}

// notify is the operating system's events, through fsnotify: the one Go library that covers inotify,
// ReadDirectoryChangesW and kqueue.
type notify struct{ w *fsnotify.Watcher }

var _ events = notify{}

func newNotify() (events, error) {
	w, err := fsnotify.NewBufferedWatcher(4096)
	if err != nil {
		return nil, fmt.Errorf("cannot watch for file events (%w): raise fs.inotify.max_user_instances or set watch: poll", err)
	}
	return notify{w}, nil
}

func (n notify) Add(dir string) error          { return n.w.Add(dir) }
func (n notify) Events() <-chan fsnotify.Event { return n.w.Events }
func (n notify) Errors() <-chan error          { return n.w.Errors }
func (n notify) Close() error                  { return n.w.Close() }

func isOverflow(err error) bool { return errors.Is(err, errOverflow) }
