package stream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"
)

// checkRoot notices that the folder went away, came back or was replaced (mounted, unmounted).
func (r *folderRun) checkRoot(ctx context.Context, now time.Time) {
	info, err := os.Stat(r.root)
	switch {
	case err != nil:
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("does not exist: create it, mount it, or correct sources[].path")
		}
		r.lost(fmt.Errorf("folder %s %w", r.root, err))
	case !info.IsDir():
		r.lost(fmt.Errorf("%s is not a folder: correct sources[].path", r.root))
	case r.rootInfo == nil && r.attachAt.IsZero(), r.rootInfo != nil && !os.SameFile(info, r.rootInfo):
		r.attach(ctx, now)
	}
}

// lost waits for a folder that is not there.
func (r *folderRun) lost(err error) {
	if r.rootInfo != nil {
		r.log.Warn("the watched folder is gone, waiting for it", zap.Error(err))
	}
	r.detach()
	r.attachAt, r.eventsAt = time.Time{}, time.Time{}
	clear(r.cands)
	r.queue = nil
	r.f.setProblem(err)
}

func (r *folderRun) detach() {
	r.closeWatch()
	r.rootInfo = nil
	r.f.setRoot(nil)
}

func (r *folderRun) closeWatch() {
	if r.watch != nil {
		_ = r.watch.Close()
		r.watch = nil
	}
	clear(r.dirs)
}

// attach starts to watch the folder and asks for a full scan, which ends with Ready.
func (r *folderRun) attach(ctx context.Context, now time.Time) {
	r.closeWatch()
	r.attachAt, r.eventsAt = time.Time{}, time.Time{}
	info, err := r.usable()
	if err == nil && !r.seenBacklog {
		err = r.firstSight(ctx)
	}
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		r.detach()
		r.retryAttach(err, now)
		return
	}
	r.rootInfo = info
	r.f.setRoot(info)
	isNetwork := r.f.isNetwork
	if isNetwork == nil {
		isNetwork = onNetwork
	}
	r.network = isNetwork(r.root)
	r.polling = r.f.Watch == WatchPoll || r.f.Watch != WatchEvents && r.network
	if !r.polling {
		if err := r.openWatch(); err != nil {
			if r.f.Watch == WatchEvents {
				r.detach()
				r.retryAttach(err, now)
				return
			}
			r.fallBack(err, now)
		}
	}
	if r.f.hasProblem() {
		r.f.setProblem(errors.New("the first scan since the folder was found is not finished"))
	}
	r.requestScan(".")
}

// usable refuses a root that is aimsd's own output.
func (r *folderRun) usable() (os.FileInfo, error) {
	info, err := os.Stat(r.root)
	if err != nil {
		return nil, fmt.Errorf("folder %w", err)
	}
	if r.excluded(r.root) {
		return nil, fmt.Errorf("folder %s lies in aimsd's own data: watch another folder", r.root)
	}
	if _, err := os.Lstat(filepath.Join(r.root, Marker)); err == nil {
		return nil, fmt.Errorf("folder %s is an output folder of aimsd (it holds %s): watch another folder", r.root, Marker)
	}
	dir, err := os.Open(r.root)
	if err != nil {
		return nil, fmt.Errorf("folder cannot be listed (%w): give aimsd read permission", err)
	}
	return info, dir.Close()
}

func (r *folderRun) retryAttach(err error, now time.Time) {
	r.f.setProblem(err)
	r.attachBack = min(max(reattachFirst, 2*r.attachBack), reattachCap)
	r.attachAt = now.Add(r.attachBack)
	r.log.Warn("the folder cannot be watched yet", zap.String("folder", r.root), zap.Error(err),
		zap.Duration("again_in", r.attachBack))
}

func (r *folderRun) openWatch() error {
	open := r.f.newEvents
	if open == nil {
		open = newNotify
	}
	w, err := open()
	if err != nil {
		return err
	}
	r.watch = w
	return nil
}

// fallBack polls because events cannot be had, and tries them again later.
func (r *folderRun) fallBack(err error, now time.Time) {
	r.closeWatch()
	r.polling = true
	r.eventsBack = min(max(eventsRetryFirst, 2*r.eventsBack), eventsRetryCap)
	r.eventsAt = now.Add(r.eventsBack)
	r.log.Warn("no file events, polling the folder instead", zap.String("folder", r.root), zap.Error(err),
		zap.Duration("events_again_in", r.eventsBack))
}
