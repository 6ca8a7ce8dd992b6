package stream_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/decode"
	"github.com/uni-aims/aimsd/stream/streamtest"
	"github.com/uni-aims/aimsd/stream/tiff"
)

// writeWays are how programs write files; each leaves data at path. Pauses are the writer's own.
var writeWays = map[string]func(path string, data []byte, r *rand.Rand, pause func()) error{
	"slow append": func(path string, data []byte, r *rand.Rand, pause func()) error {
		return fill(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, data, 0, r, pause)
	},
	"reserve and fill": func(path string, data []byte, r *rand.Rand, pause func()) error {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
		if err := os.Truncate(path, int64(len(data))); err != nil {
			return err
		}
		pause()
		return fill(path, os.O_WRONLY, data, 0, r, pause)
	},
	"temporary name": func(path string, data []byte, r *rand.Rand, pause func()) error {
		if err := fill(path+".tmp", os.O_CREATE|os.O_WRONLY, data, 0, r, pause); err != nil {
			return err
		}
		return os.Rename(path+".tmp", path)
	},
	"copy that sets the time": func(path string, data []byte, r *rand.Rand, pause func()) error {
		if err := fill(path, os.O_CREATE|os.O_WRONLY, data, 0, r, pause); err != nil {
			return err
		}
		then := time.Now().Add(-time.Duration(1+r.IntN(1000)) * time.Hour)
		return os.Chtimes(path, then, then)
	},
	"truncate and rewrite": func(path string, data []byte, r *rand.Rand, pause func()) error {
		if err := os.WriteFile(path, data[:1+r.IntN(len(data)-1)], 0o600); err != nil {
			return err
		}
		pause()
		return fill(path, os.O_WRONLY|os.O_TRUNC, data, 0, r, pause)
	},
	"header last": func(path string, data []byte, r *rand.Rand, pause func()) error {
		const head = 4096
		if err := fill(path, os.O_CREATE|os.O_WRONLY, data[head:], head, r, pause); err != nil {
			return err
		}
		pause()
		return fill(path, os.O_WRONLY, data[:head], 0, r, func() {})
	},
}

// fill writes data from an offset on in a few pieces, with a pause between them.
func fill(path string, flag int, data []byte, at int64, r *rand.Rand, pause func()) error {
	file, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return err
	}
	for step := 1 + len(data)/(1+r.IntN(4)); len(data) > 0; {
		n := min(step, len(data))
		if _, err := file.WriteAt(data[:n], at); err != nil {
			_ = file.Close()
			return err
		}
		at, data = at+int64(n), data[n:]
		if len(data) > 0 {
			pause()
		}
	}
	return file.Close()
}

// leaky loses events and breaks when it is told to.
type leaky struct {
	stream.Events
	changes chan fsnotify.Event
	faults  chan error

	mu   sync.Mutex
	deaf bool
}

func newLeaky(t *testing.T) *leaky {
	inner, err := fsnotifyEvents(t)
	require.NoError(t, err)
	l := &leaky{Events: inner, changes: make(chan fsnotify.Event), faults: make(chan error, 8)}
	go func() {
		defer close(l.changes)
		for ev := range inner.Events() {
			l.mu.Lock()
			deaf := l.deaf
			l.mu.Unlock()
			if !deaf {
				l.changes <- ev
			}
		}
	}()
	return l
}

// overflow loses what comes for a while, and then says so.
func (l *leaky) overflow(while time.Duration) {
	l.set(true)
	time.Sleep(while)
	l.set(false)
	l.faults <- fsnotify.ErrEventOverflow
}

func (l *leaky) set(deaf bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deaf = deaf
}

type leakyEvents struct{ *leaky }

func (l leakyEvents) Events() <-chan fsnotify.Event { return l.changes }
func (l leakyEvents) Errors() <-chan error          { return l.faults }
func (l leakyEvents) Close() error {
	go func() { // whoever forwards must not wait for ever
		for range l.changes {
		}
	}()
	return l.leaky.Events.Close()
}

// Files written in six ways, locally with events that get lost and a watcher that breaks, and on a share that
// is polled, lists stale sizes and cannot tell whether a file is being written: none is torn, lost or taken
// twice, though the source is stopped and started in between.
func TestSixWaysOfWritingSoak(t *testing.T) {
	_, full := streamtest.Soak(t, 0)
	small, large, side, bigSide := 48, 1, 96, 1024
	if full {
		small, large, side, bigSide = 500, 6, 512, 8192
	}
	for _, network := range []bool{false, true} {
		t.Run(map[bool]string{false: "local", true: "network"}[network], func(t *testing.T) {
			t.Parallel()
			w := &writing{t: t, b: newBench(t), want: map[string]string{}, ended: map[string]time.Time{}}
			w.writeAll(network, small, large, side, bigSide)
		})
	}
}

type writing struct {
	t *testing.T
	b *bench

	mu    sync.Mutex
	want  map[string]string // hash by name
	ended map[string]time.Time
	leaks *leaky
	lost  [3]int // overflows, broken watchers, restarts of the source
}

func (w *writing) begin(network bool) {
	w.b.start(func(f *stream.Folder) {
		f.Decode, f.Complete, f.IsImage, f.Unfilled = new(decode.Decoder).Frame, decode.Complete, decode.IsImage, decode.Unfilled
		f.Backlog = stream.BacklogProcess
		if !network {
			f.SetEvents(func() (stream.Events, error) {
				l := newLeaky(w.t)
				w.mu.Lock()
				defer w.mu.Unlock()
				w.leaks = l
				return leakyEvents{l}, nil
			})
			return
		}
		f.PollInterval = 100 * time.Millisecond
		f.SetNetwork(func(string) bool { return true })
		f.SetListed(func(info os.FileInfo) int64 { return info.Size() / 2 * int64(info.ModTime().Nanosecond()%2) })
	})
}

// frame makes a file that no other is equal to.
func frame(t *testing.T, side, n int, wide bool, r *rand.Rand) []byte {
	var b bytes.Buffer
	noise := make([]byte, 1<<16)
	for i := range noise {
		noise[i] = byte(1 + r.IntN(255))
	}
	if wide {
		pixels := make([]uint16, side*side)
		for i := range pixels {
			pixels[i] = binary.LittleEndian.Uint16(noise[2*i%len(noise):])
		}
		pixels[0] = uint16(n)
		require.NoError(t, tiff.EncodeGray16(&b, pixels, side, side, tiff.GrayOptions{}))
		return b.Bytes()
	}
	pixels := bytes.Repeat(noise, side*side/len(noise)+1)[:side*side]
	require.NoError(t, tiff.EncodeGray8(&b, pixels, side, side, tiff.GrayOptions{}))
	return b.Bytes()
}

func (w *writing) writeAll(network bool, small, large, side, bigSide int) {
	t := w.t
	r := streamtest.Random(t)
	w.begin(network)
	names := make([]string, 0, len(writeWays))
	for name := range writeWays {
		names = append(names, name)
	}
	slices.Sort(names)
	var writers sync.WaitGroup
	seeds := [2]uint64{r.Uint64(), r.Uint64()}
	for i, way := range names { // one program each
		writers.Go(func() {
			r := rand.New(rand.NewPCG(seeds[0]+uint64(i), seeds[1]))
			for n := i; n < small+large; n += len(names) {
				px, wide := side, n%3 == 0
				if n >= small {
					px = bigSide
				}
				data := frame(t, px, n, wide, r)
				rel := fmt.Sprintf("d%d/ü %s %05d.tif", n%5, way, n)
				path := w.b.path(rel)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Error(err)
					return
				}
				pause := func() { time.Sleep(time.Duration(r.IntN(40)) * time.Millisecond) }
				if err := writeWays[way](path, data, r, pause); err != nil {
					t.Error(err)
					return
				}
				w.mu.Lock()
				w.want[filepath.Base(rel)], w.ended[filepath.Base(rel)] = fmt.Sprintf("%x", sha256.Sum256(data)), time.Now()
				w.mu.Unlock()
			}
		})
	}
	written := make(chan struct{})
	go func() { writers.Wait(); close(written) }()
	every := 60 * time.Millisecond
	if small > 100 {
		every = time.Second
	}
	w.disturb(network, every, written)
	w.verify(small + large)
}

// disturb loses events, breaks the watcher and stops the source, until all is written.
func (w *writing) disturb(network bool, every time.Duration, written <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-written:
			return
		case <-time.After(every):
		}
		w.mu.Lock()
		l := w.leaks
		w.mu.Unlock()
		switch {
		case n%4 == 3:
			w.b.stop()
			w.begin(network)
			w.lost[2]++
		case !network && n%4 == 1:
			l.overflow(every / 3)
			w.lost[0]++
		case !network && n%4 == 2:
			l.faults <- os.ErrClosed
			w.lost[1]++
		}
	}
}

func (w *writing) verify(files int) {
	t := w.t
	require.Eventually(t, func() bool { return len(w.hashes()) >= files }, 5*soon, 20*time.Millisecond, "files are lost")
	time.Sleep(500 * time.Millisecond)
	hashes := w.hashes()
	require.Len(t, w.want, files)
	taken := map[string]int{}
	var delays []time.Duration
	for _, a := range w.b.all() {
		if a.err != nil {
			// Overwritten at that very moment: it says so, and is no frame. Nothing else may be wrong.
			require.ErrorIs(t, a.err, stream.ErrVanished, a.Name)
			continue
		}
		require.Equal(t, w.want[a.Name], a.sha, "%s is torn", a.Name)
		taken[a.Name]++
		delays = append(delays, a.at.Sub(w.ended[a.Name]))
	}
	for name := range w.want {
		require.Equal(t, 1, taken[name], "%s, times it was taken", name)
	}
	slices.Sort(delays)
	t.Logf("%d files, %d overwritten as they were read; written to arrival: median %s; %d times events were lost, %d times the watcher broke, %d restarts",
		len(hashes), len(w.b.all())-len(hashes), delays[len(delays)/2].Round(time.Millisecond), w.lost[0], w.lost[1], w.lost[2])
}

// hashes are the names of the files that were taken whole.
func (w *writing) hashes() map[string]bool {
	out := map[string]bool{}
	for _, a := range w.b.all() {
		if a.err == nil {
			out[a.Name] = true
		}
	}
	return out
}
