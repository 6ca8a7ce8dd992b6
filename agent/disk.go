package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/metrics/rules"
	"github.com/uni-aims/aimsd/reporting"
)

// Alerts about the disk of the data directory.
const (
	codeDiskLow      = "DISK_LOW"
	codeDiskFull     = "DISK_FULL"
	codeDiskReadOnly = "DISK_READ_ONLY"
	keyDataDir       = "data_dir"
)

// tier is how a disk is, each worse than the one before.
type tier int

// Below low no overlays are written; below full, and when it is read-only, no frames are admitted: folders wait,
// streams hear BUSY, and nothing is lost.
const (
	diskFine tier = iota
	diskLow
	diskFull
	diskReadOnly
)

func (t tier) String() string { return [...]string{"fine", "low", "full", "read-only"}[t] }

// space is what a disk has left.
type space struct {
	free     uint64 // bytes this user may take
	noInodes bool   // not one more file can be made
	readOnly bool
}

// disk watches the room for results and says what may be written. It is safe for concurrent use.
type disk struct {
	Dir       string
	LowBytes  int64
	FullBytes int64
	Look      func(dir string) (space, error)       // nil: the operating system
	Faults    func() map[string]error               // writes that fail now; may be nil
	Alert     func(context.Context, ownAlert) error // may be nil
	OnLow     func()                                // called when room gets short; may be nil
	Log       *zap.Logger
	Period    time.Duration // between two looks; 0: 1 s

	mu    sync.Mutex
	tier  tier // as measured
	now   space
	cause error // why it is worse than fine

	reserved bool // room is kept, or cannot be
	failed   bool // an alert could not be recorded; said once
}

// Run looks until ctx ends.
func (d *disk) Run(ctx context.Context) {
	period := d.Period
	if period == 0 {
		period = time.Second
	}
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		d.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look measures once, and raises and clears the alerts.
func (d *disk) look(ctx context.Context) {
	look := d.Look
	if look == nil {
		look = diskSpace
	}
	now, err := look(d.Dir)
	if err != nil {
		d.Log.Warn("free space is unknown", zap.String("dir", d.Dir), zap.Error(err))
		return
	}
	d.mu.Lock()
	before := d.tier
	d.tier, d.now = d.judge(now), now
	d.cause = d.explain()
	tier, cause := d.tier, d.cause
	d.mu.Unlock()
	if tier != before {
		d.Log.Warn("disk", zap.Stringer("was", before), zap.Stringer("is", tier), zap.Uint64("free_bytes", now.free), zap.Error(cause))
		if tier > before && d.OnLow != nil {
			d.OnLow()
		}
	}
	d.keepReserve(tier, now)
	// A commit that waits for room has the alerts' turn meanwhile.
	limited, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	d.alarm(limited, tier, now)
}

// reserveFile is room that is kept for the alert that there is none, and for the commits under way.
const (
	reserveFile  = "reserve"
	reserveBytes = 4 << 20
)

// keepReserve gives the reserve back once nothing can be written any more, and takes it again when there is room.
func (d *disk) keepReserve(t tier, now space) {
	path := filepath.Join(d.Dir, reserveFile)
	failing := d.failing() // a quota is not seen in the free space
	switch {
	case t == diskFine && !failing && !d.reserved:
		d.reserved = true // one try, until it was needed
		if info, err := os.Stat(path); err == nil && info.Size() == reserveBytes {
			return
		}
		if err := os.WriteFile(path, make([]byte, reserveBytes), 0o640); err != nil {
			d.Log.Warn("no reserve of room can be kept", zap.Error(err))
		}
	case failing || t == diskFull && now.free < reserveBytes:
		d.reserved = false
		if err := os.Remove(path); err == nil {
			d.Log.Warn("the reserve of room was given back", zap.Int("bytes", reserveBytes))
		}
	}
}

// failing reports whether a write fails now because of the disk.
func (d *disk) failing() bool {
	if d.Faults == nil {
		return false
	}
	for _, err := range d.Faults() {
		if reporting.DiskFault(err) {
			return true
		}
	}
	return false
}

// judge tells the tier of what was measured. A tier is left only with an eighth of its floor to spare, so that
// a disk at a floor does not go to and fro.
func (d *disk) judge(s space) tier {
	below := func(t tier, floor int64) bool {
		if d.tier >= t && d.tier != diskReadOnly {
			floor += floor / 8
		}
		return s.free < uint64(floor)
	}
	switch {
	case s.readOnly:
		return diskReadOnly
	case s.noInodes, below(diskFull, d.FullBytes):
		return diskFull
	case below(diskLow, d.LowBytes):
		return diskLow
	}
	return diskFine
}

// explain says in one line what is wrong and what to do. mu is held.
func (d *disk) explain() error {
	switch d.tier {
	case diskLow:
		return d.lowCause()
	case diskFull:
		return d.fullCause()
	case diskReadOnly:
		return d.readOnlyCause()
	}
	return nil
}

// The causes hold no measured number: an alert that changes its text is told again.
func (d *disk) lowCause() error {
	return fmt.Errorf("less than %d MiB free at %s: no overlays are written; make room, or set bounds under retention", d.LowBytes>>20, d.Dir)
}

func (d *disk) fullCause() error {
	return fmt.Errorf("disk full at %s: no frames are taken until there is room; delete something, or set bounds under retention", d.Dir)
}

// faultCause is of a write that fails. The error's own text names files that are others at each try.
func (d *disk) faultCause(err error) error {
	why := "the database does not take it"
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		why = errno.Error()
	}
	return fmt.Errorf("results cannot be written at %s: %s: frames wait; make room, or let aimsd's user write there", d.Dir, why)
}

func (d *disk) readOnlyCause() error {
	return fmt.Errorf("%s is read-only: no frames are taken; look for errors of the disk, then mount it for writing", d.Dir)
}

// alarm keeps the alerts true. What fails to be written counts as well: a quota or a failing disk is not seen in
// the free space.
func (d *disk) alarm(ctx context.Context, measured tier, now space) {
	if d.Alert == nil {
		return
	}
	full, readOnly, fullCause := measured == diskFull, measured == diskReadOnly, d.fullCause()
	if d.Faults != nil {
		faults := d.Faults()
		for _, part := range slices.Sorted(maps.Keys(faults)) { // the same one is told each time
			switch err := faults[part]; {
			case errors.Is(err, syscall.EROFS):
				readOnly = true
			case !full && reporting.DiskFault(err):
				full, fullCause = true, d.faultCause(err)
			}
		}
	}
	d.mu.Lock()
	lowBytes, fullBytes, lowCause := d.LowBytes, d.FullBytes, d.lowCause()
	d.mu.Unlock()
	gib := float64(now.free) / (1 << 30)
	set := func(code, severity string, floor int64, active bool, cause error) {
		a := ownAlert{Code: code, Key: keyDataDir, Severity: severity, Value: &gib, Unit: "GiB"}
		if floor > 0 {
			limit := float64(floor) / (1 << 30)
			a.Limit = &limit
		}
		if active {
			a.Cause = cause
		}
		err := d.Alert(ctx, a)
		if err != nil && !d.failed && ctx.Err() == nil {
			d.Log.Error("an alert cannot be recorded; trying again", zap.String("code", code), zap.Error(err))
		}
		d.failed = err != nil
	}
	set(codeDiskLow, rules.Warning, lowBytes, measured == diskLow || measured == diskFull, lowCause)
	set(codeDiskFull, rules.Critical, fullBytes, full, fullCause)
	set(codeDiskReadOnly, rules.Critical, 0, readOnly, d.readOnlyCause())
}

// configure takes up other floors.
func (d *disk) configure(c DiskConfig) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.LowBytes, d.FullBytes = int64(c.LowMB)<<20, int64(c.FullMB)<<20
}

// admits returns nil while frames may be taken.
func (d *disk) admits() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tier >= diskFull {
		return d.cause
	}
	return nil
}

// short reports whether pictures are to be left out.
func (d *disk) short() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tier >= diskLow
}

// parts are what readiness says of the disk: low degrades the daemon, worse makes it unready.
func (d *disk) parts() []part {
	d.mu.Lock()
	defer d.mu.Unlock()
	cause := d.cause
	return []part{{Name: "disk", Degrades: d.tier < diskFull, Ready: func() error { return cause }}}
}

// state is what /metrics tells.
func (d *disk) state() (free uint64, t tier) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now.free, d.tier
}
