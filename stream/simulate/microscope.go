package simulate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Folders below Microscope.Dir. Only FramesDir is meant to be watched.
const (
	FramesDir = "frames"
	TruthDir  = "truth"
)

// Microscope writes a scene's frames into a folder as an instrument would, each after its truth:
//
//	DIR/truth/NAME.labels.tif   DIR/truth/NAME.json   DIR/frames/NAME.tif
//
// The fields are its parameters; it keeps no state, so a Run can be repeated and then replaces the same files.
type Microscope struct {
	Dir    string
	Scene  Scene
	Frames int     // how many; 0: until the context ends
	Start  int     // index of the first frame; 0 means 1
	RateHz float64 // frames per second; 0: as fast as possible
	// AppendFor is over how long a frame is written piece by piece under its final name, as some instruments
	// do. 0: under a temporary name in the same folder, then renamed.
	AppendFor time.Duration
	// Beam tells what the ion beam did up to a frame, for a scene that is milled; Control.Beam is one. It is asked once per
	// frame, in order, when the frame is due and before it is rendered. nil: the beam is on all the time.
	Beam func(index int) Beam
}

// Written is one frame that has fully appeared in the folder.
type Written struct {
	Name      string // base name without extension
	Path      string // of the frame
	Labels    string // path of its label image
	TruthJSON string // path of its truth
	Truth     *Truth
	Count     int // frames written so far, this one included
	Frames    int // frames to come in all, 0 when unlimited
	At        time.Time
}

// Run writes frames until Frames are written (nil) or ctx ends (its error; nil if Frames is 0, because
// then that is how a run ends). It renders a frame before it is due, so that RateHz holds whenever rendering is faster;
// when it is slower, frames follow each other without a pause and none is skipped. progress may be nil; it is called
// after each frame, on Run's goroutine.
func (m Microscope) Run(ctx context.Context, progress func(Written)) error {
	if m.Scene == nil {
		return errors.New("simulate: no scene given")
	}
	if m.RateHz < 0 || m.RateHz != m.RateHz || m.Frames < 0 || m.AppendFor < 0 {
		return fmt.Errorf("simulate: frames %d, rate %g Hz, append %s: none may be negative", m.Frames, m.RateHz, m.AppendFor)
	}
	if _, milled := m.Scene.(beamed); m.Beam != nil && !milled {
		return fmt.Errorf("simulate: scene %q has no beam to control; use the scene milling", m.Scene.Name())
	}
	for _, d := range []string{FramesDir, TruthDir} {
		if err := os.MkdirAll(filepath.Join(m.Dir, d), 0o755); err != nil {
			return fmt.Errorf("simulate: %w; choose a folder that can be written", err)
		}
	}
	err := m.write(ctx, progress)
	if m.Frames == 0 && err != nil && ctx.Err() != nil {
		return nil
	}
	return err
}

func (m Microscope) write(ctx context.Context, progress func(Written)) error {
	due := time.Now()
	for n := 0; m.Frames == 0 || n < m.Frames; n++ {
		fr, err := m.take(ctx, n, &due)
		if err != nil {
			return err
		}
		w, err := m.writeTruth(fr)
		if err != nil {
			return err
		}
		if m.Beam == nil {
			if err := m.wait(ctx, n, &due); err != nil {
				return err
			}
		}
		if err := m.writeFrame(ctx, fr, w.Path); err != nil {
			return err
		}
		w.Count, w.Frames, w.At = n+1, m.Frames, time.Now()
		if progress != nil {
			progress(w)
		}
	}
	return nil
}

// take renders frame n of the run: ahead of its time, unless a beam has to be asked what it did until then.
func (m Microscope) take(ctx context.Context, n int, due *time.Time) (*Frame, error) {
	index := max(m.Start, 1) + n
	milled, ok := m.Scene.(beamed)
	if m.Beam == nil || !ok {
		return m.Scene.Frame(ctx, index)
	}
	if err := m.wait(ctx, n, due); err != nil {
		return nil, err
	}
	return milled.under(ctx, index, m.Beam(index))
}

// wait holds frame n back until it is due: one period after the frame before it was due, or now if that has passed.
func (m Microscope) wait(ctx context.Context, n int, due *time.Time) error {
	now := time.Now()
	if n == 0 || m.RateHz == 0 {
		*due = now
		return ctx.Err()
	}
	*due = due.Add(time.Duration(float64(time.Second) / m.RateHz))
	if due.Before(now) {
		*due = now
		return ctx.Err()
	}
	t := time.NewTimer(due.Sub(now))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
