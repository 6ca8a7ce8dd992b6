package stream_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/streamtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const soon = 60 * time.Second // generous: the machine may be busy

// tinyTIFF is a valid one-strip 8-bit TIFF whose pixels all have the value fill.
func tinyTIFF(side int, fill byte) []byte {
	var b bytes.Buffer
	b.WriteString("II*\x00")
	le := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) }
	le(uint32(8))
	entries := [][4]uint32{
		{256, 4, 1, uint32(side)}, {257, 4, 1, uint32(side)}, {258, 3, 1, 8}, {259, 3, 1, 1}, {262, 3, 1, 1},
		{273, 4, 1, 8 + 2 + 9*12 + 4}, {277, 3, 1, 1}, {278, 4, 1, uint32(side)}, {279, 4, 1, uint32(side * side)},
	}
	le(uint16(len(entries)))
	for _, e := range entries {
		le(uint16(e[0]))
		le(uint16(e[1]))
		le(e[2])
		le(e[3])
	}
	le(uint32(0))
	b.Write(bytes.Repeat([]byte{fill}, side*side))
	return b.Bytes()
}

func isTiny(path string) bool {
	data, err := os.ReadFile(path)
	return err == nil && bytes.HasPrefix(data, []byte("II*\x00"))
}

func tinyComplete(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if len(data) < 122 {
		return errors.New("the directory lies outside the file")
	}
	side := int(binary.LittleEndian.Uint32(data[18:]))
	if len(data) < 122+side*side {
		return fmt.Errorf("the strip lies outside the file: %d of %d bytes", len(data), 122+side*side)
	}
	return nil
}

// tinyDecode refuses torn frames: all pixels must be equal.
func tinyDecode(_ context.Context, path string, _ int) (*stream.Frame, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := tinyComplete(path); err != nil {
		return nil, fmt.Errorf("torn: %w", err)
	}
	side := int(binary.LittleEndian.Uint32(data[18:]))
	pixels := data[122 : 122+side*side]
	if bytes.Count(pixels, pixels[:1]) != len(pixels) {
		return nil, errors.New("torn: pixels differ")
	}
	return &stream.Frame{Width: side, Height: side, Gray8: pixels, SHA256: fmt.Sprintf("%x", sha256.Sum256(data))}, nil
}

// bench runs a folder source and a pipeline that finishes every frame.
type bench struct {
	t       *testing.T
	dir     string
	journal *streamtest.Journal
	folder  *stream.Folder
	stop    func()

	away atomic.Int64 // times a frame could not be read for now

	mu      sync.Mutex
	arrived []arrived
}

type arrived struct {
	stream.Arrival
	at   time.Time
	fill byte
	sha  string
	err  error
}

func newBench(t *testing.T) *bench {
	t.Helper()
	return &bench{t: t, dir: t.TempDir(), journal: &streamtest.Journal{}}
}

// start runs a new Folder over the bench's directory and journal, and waits until it is ready.
func (b *bench) start(change ...func(*stream.Folder)) {
	b.t.Helper()
	b.launch(change...)
	require.Eventually(b.t, func() bool { return b.folder.Ready() == nil }, soon, 2*time.Millisecond)
}

func (b *bench) launch(change ...func(*stream.Folder)) {
	b.t.Helper()
	b.folder = &stream.Folder{
		SourceName: "acq", Path: b.dir, Recursive: true, Journal: b.journal,
		Decode: tinyDecode, Complete: tinyComplete, IsImage: isTiny,
	}
	for _, fn := range change {
		fn(b.folder)
	}
	ctx, cancel := context.WithCancel(context.Background())
	out := make(chan stream.Arrival)
	var wg sync.WaitGroup
	folder := b.folder
	wg.Go(func() {
		if err := folder.Run(ctx, out); err != nil {
			b.t.Error(err)
		}
	})
	wg.Go(func() {
		for {
			select {
			case a := <-out:
				b.take(ctx, a)
			case <-ctx.Done():
				return
			}
		}
	})
	b.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	b.t.Cleanup(b.stop)
}

func (b *bench) take(ctx context.Context, a stream.Arrival) {
	got := arrived{Arrival: a, at: time.Now()}
	frame, err := a.Open(ctx)
	got.err = err
	if errors.Is(err, stream.ErrAway) { // as the pipeline does
		b.away.Add(1)
		a.Settle(stream.Outcome{State: stream.StateAccepted})
		return
	}
	outcome := stream.Outcome{State: stream.StateProcessed}
	if err != nil {
		outcome = stream.Outcome{State: stream.StateRejected, Reason: err.Error()}
	} else {
		got.sha = frame.SHA256
		if frame.Gray8 != nil {
			got.fill = frame.Gray8[0]
		}
		frame.Release()
	}
	b.mu.Lock()
	b.arrived = append(b.arrived, got)
	b.mu.Unlock()
	b.journal.Finish(a, outcome)
}

func (b *bench) all() []arrived {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]arrived(nil), b.arrived...)
}

func (b *bench) names() []string {
	var names []string
	for _, a := range b.all() {
		names = append(names, a.Name)
	}
	return names
}

// expect waits for n arrivals and then makes sure that no more come.
func (b *bench) expect(n int) []arrived {
	b.t.Helper()
	require.Eventually(b.t, func() bool { return len(b.all()) >= n }, soon, 2*time.Millisecond,
		"want %d arrivals, have %v", n, b.names())
	time.Sleep(450 * time.Millisecond)
	require.Len(b.t, b.all(), n, "arrivals: %v", b.names())
	return b.all()
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, filepath.FromSlash(name)) }

func (b *bench) write(name string, data []byte) {
	b.t.Helper()
	require.NoError(b.t, os.MkdirAll(filepath.Dir(b.path(name)), 0o755))
	require.NoError(b.t, os.WriteFile(b.path(name), data, 0o644))
}
