//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream/streamtest"
)

// footprint is what a process has taken.
type footprint struct {
	at         time.Duration
	rssMiB     float64
	goroutines float64
	files      float64 // open descriptors
}

// footprint reads the daemon's.
func (d *daemon) footprint(began time.Time) footprint {
	d.t.Helper()
	pid := strconv.Itoa(d.cmd.Process.Pid)
	f := footprint{at: time.Since(began)}
	open, err := os.ReadDir(filepath.Join("/proc", pid, "fd"))
	require.NoError(d.t, err)
	f.files = float64(len(open))
	status, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
	require.NoError(d.t, err)
	_, rest, found := strings.Cut(string(status), "VmRSS:")
	require.True(d.t, found)
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(d.t, err)
	f.rssMiB = float64(kib) / 1024
	code, metrics := d.get("/metrics")
	require.Equal(d.t, http.StatusOK, code)
	_, rest, found = strings.Cut(metrics, "\ngo_goroutines ")
	require.True(d.t, found)
	f.goroutines, err = strconv.ParseFloat(strings.Fields(rest)[0], 64)
	require.NoError(d.t, err)
	return f
}

// median of one number over some footprints.
func median(fs []footprint, of func(footprint) float64) float64 {
	values := make([]float64, len(fs))
	for i, f := range fs {
		values[i] = of(f)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// slope of one number per hour, by least squares.
func slope(fs []footprint, of func(footprint) float64) float64 {
	var n, sx, sy, sxx, sxy float64
	for _, f := range fs {
		x, y := f.at.Hours(), of(f)
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}

// The bar: at a rate that the daemon can sustain, from a folder and over gRPC, with a broker, runs that open and
// close and retention at work, its goroutines, descriptors and memory stay flat.
func TestFootprintIsFlatSoak(t *testing.T) {
	length, full := streamtest.Soak(t, 6*time.Second)
	streamtest.Random(t)
	broker := hear(t)
	s := newSite(t, broker.settings()+"run: {idle_timeout: 2s}\nretention: {every: 1s, overlays: {max_mb: 1}, results: {max_age: 3s}}\n")
	d := s.up()
	client := &pushed{frames: map[string][]byte{}, done: map[string]string{}}
	var kept []footprint
	files, pushes := 0, 0
	began := time.Now()
	burst := func() { // one after the other: the rate that can be sustained, whatever the machine
		for range 5 {
			path := filepath.Join(s.frames, fmt.Sprintf("f%07d.tif", files))
			require.NoError(t, writeRenamed(path, smallTIFF(t, files%50)))
			files++
		}
		uid := fmt.Sprintf("uid-%07d", pushes)
		client.run = fmt.Sprintf("run-%d", pushes/20)
		client.frames = map[string][]byte{uid: smallFrame(t, pushes%50).Gray8}
		pushes++
		require.NoError(t, client.send(t.Context(), d.grpc, []string{uid}))
		eventually(t, "frames are done", func() bool { return d.counts("acq")["processed"] >= files })
		for i := files - 5; i < files; i++ { // the instrument tidies up
			require.NoError(t, os.Remove(filepath.Join(s.frames, fmt.Sprintf("f%07d.tif", i))))
		}
	}
	for len(kept) < 12 || time.Since(began) < length {
		burst()
		if full && len(kept)%30 == 29 { // runs idle and close, and their results are removed
			time.Sleep(3 * time.Second)
		}
		kept = append(kept, d.footprint(began))
	}
	require.Zero(t, d.stop())
	third := len(kept) / 3
	middle, last := kept[third:2*third], kept[2*third:]
	var said bytes.Buffer
	for _, q := range []struct {
		name   string
		of     func(footprint) float64
		spare  float64 // noise
		spared float64 // fraction
	}{
		{"goroutines", func(f footprint) float64 { return f.goroutines }, 12, 0},
		{"descriptors", func(f footprint) float64 { return f.files }, 10, 0},
		{"memory in MiB", func(f footprint) float64 { return f.rssMiB }, 24, 0.05},
	} {
		a, b := median(middle, q.of), median(last, q.of)
		fmt.Fprintf(&said, "; %s %.0f then %.0f", q.name, a, b)
		if full {
			fmt.Fprintf(&said, " (%+.1f an hour)", slope(kept[third:], q.of))
		}
		require.LessOrEqual(t, b, a*(1+q.spared)+q.spare, q.name)
	}
	t.Logf("%d files and %d pushed frames in %s%s", files, pushes, time.Since(began).Round(time.Second), said.String())
}
