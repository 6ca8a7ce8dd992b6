//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream/streamtest"
)

// A database that is damaged while the daemon is down is moved aside and told of; what was done stays done, what
// waited is done, and the next start finds it sound.
func TestDamagedStoreSoak(t *testing.T) {
	length, full := streamtest.Soak(t, 0)
	rounds := 1
	if full {
		rounds = max(2, int(4*length.Minutes()))
	}
	rng := streamtest.Random(t)
	broker := hear(t)
	s := newSite(t, broker.settings())
	files := 0
	bring := func(n int) {
		for range n {
			require.NoError(t, writeRenamed(filepath.Join(s.frames, fmt.Sprintf("f%04d.tif", files)), smallTIFF(t, files)))
			files++
		}
	}
	path := filepath.Join(s.data, reporting.StoreFile)
	for range rounds {
		d := s.up()
		bring(12)
		eventually(t, "some frames are done", func() bool { return d.counts("acq")["processed"] >= files-8 })
		d.kill() // some wait
		store, err := reporting.OpenStore(t.Context(), reporting.StoreOptions{Dir: s.data})
		require.NoError(t, err)
		require.NoError(t, store.Close()) // the file alone is the database now
		harm(t, path, rng.Int64N(1<<40))
		d = s.up()
		eventually(t, "all frames are done", func() bool {
			c := d.counts("acq")
			return c["processed"] == files && c["in_flight"] == 0
		})
		eventually(t, "it is told", func() bool {
			return broker.alertState(t, "STORE_DAMAGED", reporting.StoreFile) == "raised"
		})
		require.Zero(t, d.stop())
		d = s.up()
		eventually(t, "it is over", func() bool {
			return broker.alertState(t, "STORE_DAMAGED", reporting.StoreFile) == "cleared"
		})
		require.Zero(t, d.stop())
		_ = os.Remove(filepath.Join(s.data, "starts.json"))
		aside, err := filepath.Glob(path + ".corrupt-*")
		require.NoError(t, err)
		require.NotEmpty(t, aside)
		time.Sleep(2 * time.Millisecond) // the next one has a name of its own
	}
	t.Logf("damaged %d times, %d frames", rounds, files)
}

// harm overwrites the file's first table, as a bad disk does, wherever at says within its page.
func harm(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	junk := make([]byte, 512)
	for i := range junk {
		junk[i] = byte(i*7 + 1)
	}
	for page := int64(1); page < info.Size()/4096; page += 5 { // often enough to hit a page in use
		_, err = f.WriteAt(junk, page*4096+at%8)
		require.NoError(t, err)
	}
}
