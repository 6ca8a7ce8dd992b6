package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A daemon that ends again and again before it has done anything is slowed down: the first starts are at
// once, later ones wait twice as long each, up to a limit.
const (
	startsFile   = "starts.json"
	freeStarts   = 3
	startPause   = time.Second
	maxPause     = time.Minute
	settledAfter = time.Minute // a daemon that was ready for so long is no crash loop
)

// starts counts the starts in a row that ended neither by a stop nor after a frame was done.
type starts struct {
	Path   string // starts.json in the data directory
	failed int    // before this one
}

// startsRecord is the file's content.
type startsRecord struct {
	Failed int       `json:"failed_in_a_row"`
	Last   time.Time `json:"last_start"`
}

// begin counts a start. A record that cannot be read counts as none: it must not keep the daemon from starting.
func (s *starts) begin(now time.Time) error {
	var r startsRecord
	data, err := os.ReadFile(s.Path)
	if err == nil && json.Unmarshal(data, &r) == nil && r.Failed > 0 {
		s.failed = r.Failed
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, s.write(startsRecord{Failed: s.failed + 1, Last: now.UTC()}))
}

// pause is how long this start waits.
func (s *starts) pause() time.Duration {
	if s.failed < freeStarts {
		return 0
	}
	pause := startPause
	for n := freeStarts; n < s.failed && pause < maxPause; n++ {
		pause *= 2
	}
	return min(pause, maxPause)
}

// concern says what is wrong while starts are slowed down.
func (s *starts) concern() error {
	if s.failed < freeStarts {
		return nil
	}
	return fmt.Errorf("the last %d starts ended before a frame was done; see the log of before, and aimsd check", s.failed)
}

// settled ends the count: the daemon works, or was stopped.
func (s *starts) settled(now time.Time) error {
	s.failed = 0
	return s.write(startsRecord{Last: now.UTC()})
}

// write replaces the file in one step.
func (s *starts) write(r startsRecord) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	temp := s.Path + ".tmp"
	if err := os.WriteFile(temp, append(data, '\n'), 0o640); err != nil {
		return err
	}
	return os.Rename(temp, s.Path)
}

// slow waits before the daemon starts once more.
func (d *Daemon) slow(ctx context.Context) error {
	d.starts = &starts{Path: filepath.Join(d.Config.DataDir, startsFile)}
	if err := d.starts.begin(time.Now()); err != nil {
		d.Log.Sugar().Warnw("starts are not counted", "error", err)
	}
	pause := d.starts.pause()
	if pause == 0 || d.Watched {
		return nil
	}
	cause := d.starts.concern()
	d.concerns.set("starts", cause)
	d.Log.Sugar().Warnw("waiting before this start", "error", cause, "wait_s", pause.Seconds())
	d.Notify.Status(fmt.Sprintf("waits %s: %v", pause, cause))
	d.Notify.Wait(pause + maxPause)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
		return nil
	}
}
