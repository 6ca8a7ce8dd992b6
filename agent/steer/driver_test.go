package steer

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestArmingIsRefusedWithReasons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		require.Equal(t, ArmState{Source: "fib", Why: "never armed"}, r.d.State())
		for _, c := range []struct {
			run   string
			lease time.Duration
			by    string
			says  string
		}{
			{"", time.Minute, "ann", "name the run"},
			{"run", time.Minute, "", "say who"},
			{"run", 0, "ann", "at most 1h0m0s"},
			{"run", -time.Minute, "ann", "at most 1h0m0s"},
			{"run", time.Hour + 1, "ann", "at most 1h0m0s"},
		} {
			s, err := r.d.Arm(c.run, c.lease, true, c.by)
			require.ErrorContains(t, err, c.says)
			require.False(t, s.Armed)
		}
		s, err := r.d.Arm("run", time.Hour, true, "ann")
		require.NoError(t, err)
		require.Equal(t, ArmState{Armed: true, Source: "fib", RunID: "run", By: "ann", AllowStop: true, LeaseMs: 3600e3, Since: time.Now()}, s)
		_, err = r.d.Arm("run2", time.Minute, true, "bob")
		require.ErrorContains(t, err, "armed for run run by ann")
		r.jump(-5 * time.Hour)
		r.wait(10 * time.Minute)
		require.EqualValues(t, 3000e3, r.d.State().LeaseMs)

		s, err = r.d.Arm("run", time.Minute, false, "bob") // renewed: also shorter, and with less leave
		require.NoError(t, err)
		require.Equal(t, "bob", s.By)
		require.False(t, s.AllowStop)
		require.EqualValues(t, 60e3, s.LeaseMs)
		r.wait(time.Minute)
		s = r.d.State()
		require.False(t, s.Armed)
		require.Equal(t, "the lease is over", s.Why)

		r.arm(true)
		s = r.d.Disarm("cat", "sample lost")
		require.Equal(t, ArmState{Source: "fib", RunID: "run", By: "cat", Since: r.now(), Why: "sample lost"}, s)
		require.Equal(t, s, r.d.Disarm("dan", "again"), "who ended it stays")
		r.d.RunClosed("run")
		_, err = r.d.Arm("run", time.Minute, true, "ann")
		require.ErrorContains(t, err, "closed")
		r.stop()
		_, err = r.d.Arm("run3", time.Minute, true, "ann")
		require.ErrorContains(t, err, "program stops")
		require.Equal(t, []string{"armed by ann", "armed by bob", "the lease is over", "armed by ann", "sample lost"}, r.arms)
	})
}

func TestTheEndOfALeaseIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.arm(true)
		r.wait(time.Minute)
		require.Equal(t, []string{"armed by ann", "the lease is over"}, r.arms, "though nobody asked")
		r.arm(true)
		r.stop()
		require.Equal(t, "the program stops", r.arms[len(r.arms)-1])
		require.False(t, r.d.State().Armed)
	})
}

// still is a controller that mills until it is paused, and counts.
type still struct {
	paused atomic.Bool
	asked  atomic.Int64
}

func (s *still) State(context.Context) (State, error) {
	if s.paused.Load() {
		return Paused, nil
	}
	return Running, nil
}

func (s *still) Pause(context.Context, string) error {
	s.asked.Add(1)
	s.paused.Store(true)
	return nil
}

func (s *still) Stop(context.Context, string) error { panic("never") }

func TestADiskThatIsFullDelaysNoPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := make(chan struct{})
		var recorded []Command
		c := new(still)
		d, err := New(Options{Source: "fib", Controller: c, Record: func(c Command) {
			<-disk
			recorded = append(recorded, c)
		}})
		require.NoError(t, err)
		seq := uint64(0)
		offer := func(word string) {
			seq++
			d.Offer(Advice{Source: "fib", RunID: "run", ID: fmt.Sprint(seq), Seq: seq, Advice: word, DecidedAt: time.Now(), ValidFor: time.Second})
		}
		for range journalLimit { // before Run, and alternating so that they are not one record
			offer("PAUSE")
			offer("STOP")
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			d.Run(ctx)
		}()
		synctest.Wait()
		_, err = d.Arm("run", time.Minute, false, "ann")
		require.NoError(t, err)
		offer("PAUSE")
		synctest.Wait()
		require.True(t, c.paused.Load())
		close(disk)
		synctest.Wait()
		require.Len(t, recorded, journalLimit+1)
		require.Equal(t, Done, recorded[journalLimit].Outcome, "what was asked for is recorded always")
		cancel()
		<-ended
	})
}

// slowly is a controller that needs a moment to give up.
type slowly struct {
	still
	out atomic.Bool
}

func (s *slowly) Pause(ctx context.Context, _ string) error {
	s.out.Store(true)
	<-ctx.Done()
	time.Sleep(time.Millisecond)
	s.out.Store(false)
	return ctx.Err()
}

func TestDisarmWaitsForTheRequestUnderWay(t *testing.T) {
	for name, end := range map[string]func(*Driver){
		"disarmed": func(d *Driver) { d.Disarm("ann", "") },
		"closed":   func(d *Driver) { d.RunClosed("run") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := new(slowly)
				d, err := New(Options{Source: "fib", Controller: c})
				require.NoError(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					d.Run(ctx)
				}()
				_, err = d.Arm("run", time.Minute, false, "ann")
				require.NoError(t, err)
				d.Offer(Advice{Source: "fib", RunID: "run", ID: "1", Seq: 1, Advice: "PAUSE", DecidedAt: time.Now(), ValidFor: time.Second})
				synctest.Wait()
				require.True(t, c.out.Load())
				end(d)
				require.False(t, c.out.Load())
				cancel()
				<-ended
			})
		})
	}
}

// A real clock: many goroutines at once, for the race detector, and that Disarm's promise holds.
func TestAfterDisarmNothingIsAsked(t *testing.T) {
	c := new(still)
	d, err := New(Options{Source: "fib", Controller: c, Record: func(Command) {}, Changed: func(ArmState) {}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { d.Run(ctx) })
	var seq atomic.Uint64
	for range 3 {
		all.Go(func() {
			for ctx.Err() == nil {
				n := seq.Add(1)
				d.Offer(Advice{Source: "fib", RunID: "run", ID: fmt.Sprint(n), Seq: n, Advice: "PAUSE", DecidedAt: time.Now(), ValidFor: time.Second})
				d.State()
				time.Sleep(10 * time.Microsecond)
			}
		})
	}
	for range 200 {
		_, err := d.Arm("run", time.Minute, false, "ann")
		require.NoError(t, err)
		time.Sleep(500 * time.Microsecond)
		d.Disarm("ann", "")
		asked := c.asked.Load()
		c.paused.Store(false)
		time.Sleep(200 * time.Microsecond)
		require.Equal(t, asked, c.asked.Load())
	}
	require.Positive(t, c.asked.Load())
	cancel()
	all.Wait()
}

func TestADriverNeedsASourceAndAController(t *testing.T) {
	for _, o := range []Options{{}, {Source: "fib"}, {Controller: new(still)}, {Source: "fib", Controller: new(still), MaxLease: -1}, {Source: "fib", Controller: new(still), Grace: -1}} {
		_, err := New(o)
		require.Error(t, err)
	}
}
