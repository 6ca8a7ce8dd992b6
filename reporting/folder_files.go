package reporting

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/uni-aims/aimsd/metrics"
)

const fileBuffer = 256 << 10

// writeFiles writes everything but result.json into dir, the files in parallel.
func (o *OutputFolder) writeFiles(ctx context.Context, dir string, in Input) error {
	g, ctx := errgroup.WithContext(ctx)
	file := func(name string, encode func(io.Writer) error) {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return writeSynced(filepath.Join(dir, name), encode)
		})
	}
	file(LabelsFile, func(w io.Writer) error { return o.EncodeLabels(w, in.Labels, in.Width, in.Height) })
	file(ParticlesFile, func(w io.Writer) error { return metrics.WriteCSV(w, in.Objects, in.nmPerPx()) })
	if !in.NoOverlay {
		file(OverlayFile, func(w io.Writer) error { return DrawOverlay(in.overlay()).WritePNG(w) })
	}
	return g.Wait()
}

// nmPerPx returns 0 when the scale is unknown.
func (in *Input) nmPerPx() float64 {
	if s := in.Result.Scale.NmPerPx; s != nil {
		return *s
	}
	return 0
}

// overlay says what is drawn for this input.
func (in *Input) overlay() OverlayOptions {
	a := in.Result.Image.Analysed
	opts := OverlayOptions{
		Labels: in.Labels, Width: in.Width, Height: in.Height,
		Gray8: in.Gray8, Gray16: in.Gray16,
		Objects:   in.Objects,
		Analysed:  metrics.Rect{X0: a.X0, Y0: a.Y0, X1: a.X1, Y1: a.Y1},
		TextBoxes: in.TextBoxes,
	}
	for _, r := range a.Excluded {
		opts.Excluded = append(opts.Excluded, metrics.Rect(r))
	}
	if b := in.Result.Scale.Bar; b != nil {
		opts.Bar = &metrics.Rect{X0: int(b.X0), Y0: int(b.Y0), X1: int(b.X1 + 0.999), Y1: int(b.Y1 + 0.999)}
		opts.BarEnds, opts.BarCaption = &[2]float64{b.X0, b.X1}, captionOf(&in.Result.Scale)
	}
	return opts
}

// writeSynced makes a new file through a buffer and returns once its bytes are on disk.
func writeSynced(path string, encode func(io.Writer) error) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, fileBuffer)
	if err := encode(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Sync()
}

// ReplaceFile writes DIR/name beside its old version and then renames it over that.
func ReplaceFile(dir, name string, encode func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(dir, tempPrefix+"*")
	if err != nil {
		return err
	}
	tmp := f.Name()
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp))
		}
	}()
	w := bufio.NewWriterSize(f, fileBuffer)
	err = encode(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncDir(dir)
}

func encodeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
