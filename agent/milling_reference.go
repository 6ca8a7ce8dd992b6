package agent

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

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

// readReference takes up a run's reference after a restart: the frame kept, as its recorded result describes it.
func (m *millings) readReference(ctx context.Context, run *millingRun, recorded *observedFrame) error {
	f, err := new(decode.Decoder).Frame(ctx, filepath.Join(m.RunDir(run.id), millingFolder, referenceFile), 0)
	if err != nil {
		return err
	}
	defer f.Release()
	return run.observer.Refer(millingFrame(f, recorded.nmPerPx, recorded.analysed))
}
