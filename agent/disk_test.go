package agent

import (
	"context"
	"errors"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// testDisk is a disk of which the test says how full it is.
type testDisk struct {
	disk
	space  space
	faults map[string]error
	active map[string]string // code -> severity
	causes map[string]error
	told   int // changes of alerts
}

func newTestDisk(t *testing.T) *testDisk {
	t.Helper()
	d := &testDisk{space: space{free: 1 << 40}, active: map[string]string{}, causes: map[string]error{}}
	d.disk = disk{
		Dir: t.TempDir(), LowBytes: 1000 << 20, FullBytes: 100 << 20, Log: zap.NewNop(),
		Look:   func(string) (space, error) { return d.space, nil },
		Faults: func() map[string]error { return d.faults },
		Alert: func(_ context.Context, a ownAlert) error {
			if _, was := d.active[a.Code]; was != (a.Cause != nil) {
				d.told++
			}
			d.causes[a.Code] = a.Cause
			delete(d.active, a.Code)
			if a.Cause != nil {
				d.active[a.Code] = a.Severity
			}
			return nil
		},
	}
	return d
}

func (d *testDisk) at(t *testing.T, freeMiB uint64) {
	t.Helper()
	d.space.free = freeMiB << 20
	d.look(t.Context())
}

func TestADiskThatFillsGivesUpPicturesThenFramesAndAlarms(t *testing.T) {
	d := newTestDisk(t)
	hurried := 0
	d.OnLow = func() { hurried++ }
	check := func(free uint64, pictures, admits, ready bool, codes ...string) {
		t.Helper()
		d.at(t, free)
		require.Equal(t, pictures, !d.short(), "%d MiB", free)
		require.Equal(t, admits, d.admits() == nil, "%d MiB", free)
		require.Equal(t, ready, readyState(d.parts()).Ready, "%d MiB", free)
		var active []string
		for code := range d.active {
			active = append(active, code)
		}
		require.ElementsMatch(t, codes, active, "%d MiB", free)
	}
	check(1001, true, true, true)
	check(999, false, true, true, codeDiskLow)
	require.Equal(t, 1, hurried, "what is due goes now")
	require.Contains(t, readyState(d.parts()).Parts["disk"], "degraded: less than 1000 MiB free at "+d.Dir)
	check(99, false, false, false, codeDiskLow, codeDiskFull)
	check(100, false, false, false, codeDiskLow, codeDiskFull) // an eighth to spare, or it would go to and fro
	check(113, false, true, true, codeDiskLow)
	check(1001, false, true, true, codeDiskLow)
	check(1126, true, true, true)
	told := d.told
	for i := range 100 { // it oscillates around the floor
		check(999+uint64(i%3), i == -1, true, true, codeDiskLow)
	}
	require.Equal(t, told+1, d.told, "and is told once")
}

func TestAReadOnlyDiskAndOneWithoutInodesTakeNoFrames(t *testing.T) {
	d := newTestDisk(t)
	d.space.readOnly = true
	d.look(t.Context())
	require.ErrorContains(t, d.admits(), "read-only")
	require.Equal(t, map[string]string{codeDiskReadOnly: "critical"}, d.active)
	d.space.readOnly = false
	d.look(t.Context())
	require.NoError(t, d.admits())
	require.Empty(t, d.active)
	d.space.noInodes = true
	d.look(t.Context())
	require.ErrorContains(t, d.admits(), "no frames are taken")
}

func TestWritesThatFailAlarmThoughThereSeemsToBeRoom(t *testing.T) {
	d := newTestDisk(t)
	d.faults = map[string]error{"commit": syscall.EDQUOT}
	d.look(t.Context())
	require.Equal(t, map[string]string{codeDiskFull: "critical"}, d.active)
	require.ErrorContains(t, d.causes[codeDiskFull], "quota exceeded: frames wait")
	require.NoError(t, d.admits(), "only what is measured pauses: a try tells when it is over")
	d.faults = nil
	d.look(t.Context())
	require.Empty(t, d.active)
	d.Look = func(string) (space, error) { return space{}, errors.New("gone") }
	d.look(t.Context())
	require.NoError(t, d.admits(), "what is not known does not stop the daemon")
}

func TestNothingIsAdmittedWhileTheDiskIsFullAndEverythingAfterwards(t *testing.T) {
	store, err := reporting.OpenStore(t.Context(), reporting.StoreOptions{Dir: t.TempDir()})
	require.NoError(t, err)
	defer store.Close()
	d := newTestDisk(t)
	d.at(t, 1)
	j := journal{store: store, disk: &d.disk}
	_, err = j.Admit(t.Context(), stream.Receipt{Source: "acq", Key: "a"})
	require.ErrorContains(t, err, "disk full")
	counts, err := store.Counts(t.Context())
	require.NoError(t, err)
	require.Zero(t, counts["acq"].Received)
}

func TestRoomIsKeptForTheAlertThatThereIsNone(t *testing.T) {
	d := newTestDisk(t)
	reserve := func() bool { return has(d.Dir, reserveFile) }
	d.at(t, 5000)
	require.True(t, reserve())
	d.at(t, 50)
	require.True(t, reserve(), "there is room for alerts")
	d.at(t, 1)
	require.False(t, reserve())
	d.at(t, 500)
	require.False(t, reserve())
	d.at(t, 5000)
	require.True(t, reserve())
	d.faults = map[string]error{"commit": syscall.ENOSPC}
	d.at(t, 50)
	require.False(t, reserve(), "a commit that waits is given it")
	d.faults = nil
	d.at(t, 5000)
	require.True(t, reserve())
	d.faults = map[string]error{"commit": syscall.EDQUOT}
	for range 3 {
		d.at(t, 5000)
		require.False(t, reserve(), "a quota counts it too")
	}
}
