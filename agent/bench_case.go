package agent

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/pprof"

	"github.com/uni-aims/aimsd/stream/simulate"
)

// benchCase is one kind of frame to measure.
type benchCase struct {
	Width, Height int
	Objects       int // of each frame; 0: as many as the simulated microscope draws
	Frames        int // 0: enough for honest percentiles in reasonable time
}

// String is the size.
func (c benchCase) String() string { return fmt.Sprintf("%dx%d", c.Width, c.Height) }

// frames is how many are measured.
func (c benchCase) frames() int {
	px := c.Width * c.Height
	switch {
	case c.Frames > 0:
		return c.Frames
	case px <= 1<<20:
		return 20
	case px <= 1<<22:
		return 10
	case px <= 1<<24:
		return 5
	}
	return 3
}

// scene renders the frames.
func (c benchCase) scene() *simulate.Particles {
	return &simulate.Particles{Width: c.Width, Height: c.Height, Seed: 1, Count: c.Objects}
}

// validate reports a size or a number of objects that cannot be rendered.
func (c benchCase) validate() error { return c.scene().Validate() }

// measure renders the frames and takes each through the pipeline, after one that does not count. profile is the file
// for a CPU profile of those that count; "": none is made.
func (b *bench) measure(ctx context.Context, c benchCase, profile string, each func(objects int)) (r benchResult, err error) {
	dir := filepath.Join(b.dir, fmt.Sprintf("frames-%d", b.taken))
	if err := os.Mkdir(dir, 0o750); err != nil {
		return r, fmt.Errorf("bench: %w", err)
	}
	defer os.RemoveAll(dir)
	var paths []string
	drawn := 0
	for i := range c.frames() {
		path, objects, err := render(ctx, c, dir, i+1)
		if err != nil {
			return r, err
		}
		paths, drawn = append(paths, path), drawn+objects
	}
	resetPeakMemory()
	if _, err := b.frame(ctx, paths[0]); err != nil {
		return r, err
	}
	if profile != "" {
		stop, err := startProfile(profile)
		if err != nil {
			return r, err
		}
		defer func() {
			if stopped := stop(); err == nil {
				err = stopped
			}
		}()
	}
	var samples []benchSample
	for _, path := range paths {
		s, err := b.frame(ctx, path)
		if err != nil {
			return r, err
		}
		each(s.objects)
		samples = append(samples, s)
	}
	r = newBenchResult(c, samples)
	r.ObjectsDrawn = (drawn + len(paths)/2) / len(paths)
	r.PeakRSSBytes, r.ReferenceGFLOPS, r.Threads = peakMemory(), math.Round(10*b.reference)/10, b.threads()
	a := b.daemon.live.Load().Analyser
	r.Model, r.Provider, r.Precision, r.ProviderWhy = a.Model, a.Model.Provider, a.Model.Precision, a.session.Why
	return r, nil
}

// render writes a frame and returns its path and how many objects it shows.
func render(ctx context.Context, c benchCase, dir string, index int) (string, int, error) {
	fr, err := c.scene().Frame(ctx, index)
	if err != nil {
		return "", 0, err
	}
	path := filepath.Join(dir, fr.Name+".tif")
	f, err := os.Create(path)
	if err != nil {
		return "", 0, fmt.Errorf("bench: %w", err)
	}
	err = fr.WriteTIFF(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return "", 0, fmt.Errorf("bench: write %s: %w; make room, or set TMPDIR to another disk", path, err)
	}
	return path, fr.Truth.Objects, nil
}

// startProfile begins a CPU profile; what it returns ends it.
func startProfile(path string) (stop func() error, err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, usagef("bench: --cpuprofile: %w; name a file that can be written", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("bench: --cpuprofile: %w", err)
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}
