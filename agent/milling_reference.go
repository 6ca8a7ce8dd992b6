package agent

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/metrics/milling"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/decode"
	"github.com/uni-aims/aimsd/stream/tiff"
)

// Where a run keeps the frame that the others are compared with, for a restart in the middle of it: no image has
// a folder of that name.
const (
	millingFolder = ".milling"
	referenceFile = "reference.tif"
)

// keepReference writes the frame that became the run's reference.
func (m *millings) keepReference(run *millingRun, f *stream.Frame) error {
	dir := filepath.Join(m.RunDir(run.id), millingFolder)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("reference frame of run %s: %w", run.id, err)
	}
	err := reporting.ReplaceFile(dir, referenceFile, func(w io.Writer) error {
		opts := tiff.GrayOptions{Software: "aimsd"}
		if f.Gray16 != nil {
			return tiff.EncodeGray16(w, f.Gray16, f.Width, f.Height, opts)
		}
		return tiff.EncodeGray8(w, f.Gray8, f.Width, f.Height, opts)
	})
	if err != nil {
		return fmt.Errorf("reference frame of run %s: %w", run.id, err)
	}
	return nil
}

// readReference takes up a run's reference after a restart. It had the analysed area and the pixel size that its
// recorded result says. Where none was kept, no frame was good enough yet, and the next good one becomes it.
func (m *millings) readReference(ctx context.Context, run *millingRun) error {
	var first *reporting.Result
	for r, err := range m.Store.Results(ctx, run.id) {
		if err != nil {
			return err
		}
		if r.Result.Milling != nil && r.Result.Milling.Observation.Reference {
			first = &r.Result
			break
		}
	}
	if first == nil {
		return nil
	}
	f, err := new(decode.Decoder).Frame(ctx, filepath.Join(m.RunDir(run.id), millingFolder, referenceFile), 0)
	if err != nil {
		return err
	}
	defer f.Release()
	var nm float64
	if first.Scale.NmPerPx != nil {
		nm = *first.Scale.NmPerPx
	}
	b := first.Image.Analysed
	return run.observer.Refer(milling.Frame{
		Width: f.Width, Height: f.Height, Gray8: f.Gray8, Gray16: f.Gray16,
		Analysed: metrics.Rect{X0: b.X0, Y0: b.Y0, X1: b.X1, Y1: b.Y1},
	}, nm)
}
