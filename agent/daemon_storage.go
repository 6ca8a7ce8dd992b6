package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/uni-aims/aimsd/metrics/rules"
	"github.com/uni-aims/aimsd/reporting"
)

// codeStoreDamaged is the alert of a database that was damaged and moved aside.
const codeStoreDamaged = "STORE_DAMAGED"

// storage is what looks after the data directory beside the store.
type storage struct {
	disk      *disk
	retention *retention
	crashes   crashes
	suspects  *suspects
	damage    chan error // has a value when the store is found damaged
}

// openStorage opens the store, finds out how the last process ended, and makes what looks after the disk.
func (d *Daemon) openStorage(ctx context.Context) (err error) {
	c := &d.Config
	options := reporting.StoreOptions{
		Dir: c.DataDir, Log: d.Log.Named("store"), OutboxMaxBytes: int64(c.MQTT.Outbox.MaxMB) << 20, OutboxMaxAge: c.MQTT.Outbox.MaxAge,
	}
	if d.store, err = reporting.OpenStore(ctx, options); reporting.DiskFault(err) && os.Remove(filepath.Join(c.DataDir, reserveFile)) == nil {
		d.store, err = reporting.OpenStore(ctx, options) // with the room that was kept
	}
	if err != nil {
		err = fmt.Errorf("data_dir: %w", err)
		if errors.Is(err, syscall.ENOSPC) { // there may be room when the service is started again
			return err
		}
		return usageError{err}
	}
	d.crashes = crashes{Dir: c.DataDir, Now: time.Now, Log: d.Log}
	by, err := d.store.Suspects(ctx, d.crashes.look())
	if err != nil {
		return err
	}
	d.suspects, d.damage = &suspects{by: by}, make(chan error, 1)
	d.disk = &disk{
		Dir: c.DataDir, LowBytes: int64(c.Disk.LowMB) << 20, FullBytes: int64(c.Disk.FullMB) << 20, Log: d.Log.Named("disk"),
		Faults: func() map[string]error { return d.stats.current() },
		Alert:  func(ctx context.Context, a ownAlert) error { return d.alerts.condition(ctx, a) },
		OnLow:  func() { d.retention.hurry() },
	}
	d.retention = newRetention(c.Retention)
	d.retention.Store, d.retention.Dir, d.retention.Log, d.retention.Now = d.store, c.DataDir, d.Log.Named("retention"), time.Now
	return nil
}

// watchStorage looks after the data directory until ctx ends.
func (d *Daemon) watchStorage(ctx context.Context) {
	d.tellDamage(ctx)
	d.retention.Runs = d.runs
	var g sync.WaitGroup
	g.Go(func() { d.disk.Run(ctx) })
	g.Go(func() { d.retention.Run(ctx) })
	g.Wait()
}

// damaged notes that the store is damaged.
func (d *Daemon) damaged(err error) {
	select {
	case d.damage <- err:
	default:
	}
}

// endOnDamage ends the daemon when its store is damaged: the next start moves it aside and takes over what can be
// read of it.
func (d *Daemon) endOnDamage(ctx context.Context) error {
	select {
	case err := <-d.damage:
		return fmt.Errorf("the store in data_dir is damaged: %w; start aimsd again (a service manager does) to save what can be read, and check the disk", err)
	case <-ctx.Done():
		return nil
	}
}

// tellDamage raises the alert of a store that had to be moved aside, until a start that finds it sound.
func (d *Daemon) tellDamage(ctx context.Context) {
	a := ownAlert{Code: codeStoreDamaged, Key: reporting.StoreFile, Severity: rules.Critical}
	if aside := d.store.MovedAside(); aside != "" {
		a.Cause = fmt.Errorf("the database was damaged; a new one was begun and the old one kept as %s; check the disk", aside)
	}
	if err := d.alerts.condition(ctx, a); err != nil && ctx.Err() == nil {
		d.Log.Error("an alert cannot be recorded: " + err.Error())
	}
}

// closeStorage closes the store after a stop that was in order: no frame that was left is suspect.
func (d *Daemon) closeStorage(ctx context.Context) error {
	if d.store == nil {
		return nil
	}
	var errs []error
	if d.suspects != nil {
		errs = append(errs, d.store.EndAttempts(ctx), d.crashes.release())
	}
	return errors.Join(append(errs, d.store.Close())...)
}
