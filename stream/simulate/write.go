package simulate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/uni-aims/aimsd/stream/tiff"
)

// tagFEI is the private TIFF tag of FEI and Thermo Fisher instruments: INI text.
const tagFEI = 34682

// appendPieces is in how many pieces a slowly written frame grows.
const appendPieces = 20

// WriteTIFF writes the frame as an uncompressed TIFF with the vendor's header.
func (fr *Frame) WriteTIFF(w io.Writer) error {
	opts := tiff.GrayOptions{Software: "aimsd simulate", ASCII: map[uint16]string{tagFEI: fr.Header}}
	if fr.Gray16 != nil {
		return tiff.EncodeGray16(w, fr.Gray16, fr.Width, fr.Height, opts)
	}
	return tiff.EncodeGray8(w, fr.Gray8, fr.Width, fr.Height, opts)
}

// WriteLabels writes the true labels as a TIFF of 16-bit ids, 32-bit above 65535.
func (fr *Frame) WriteLabels(w io.Writer) error {
	return tiff.EncodeLabels(w, fr.Labels, fr.Width, fr.Height)
}

// writeTruth writes labels and truth of fr.
func (m Microscope) writeTruth(fr *Frame) (Written, error) {
	w := Written{
		Name:      fr.Name,
		Path:      filepath.Join(m.Dir, FramesDir, fr.Name+".tif"),
		Labels:    filepath.Join(m.Dir, TruthDir, fr.Name+".labels.tif"),
		TruthJSON: filepath.Join(m.Dir, TruthDir, fr.Name+".json"),
		Truth:     &fr.Truth,
	}
	if err := writeRenamed(w.Labels, fr.WriteLabels); err != nil {
		return w, err
	}
	return w, writeRenamed(w.TruthJSON, func(f io.Writer) error {
		e := json.NewEncoder(f)
		e.SetIndent("", " ")
		return e.Encode(fr.Truth)
	})
}

// writeFrame writes fr to path in the microscope's manner.
func (m Microscope) writeFrame(ctx context.Context, fr *Frame, path string) error {
	if m.AppendFor == 0 {
		return writeRenamed(path, fr.WriteTIFF)
	}
	var whole bytes.Buffer
	if err := fr.WriteTIFF(&whole); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	if err := appendSlowly(ctx, f, whole.Bytes(), m.AppendFor); err != nil {
		f.Close()
		os.Remove(path) // the run ended within the frame: leave no half of it
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	return nil
}

// appendSlowly writes data in equal pieces spread over d.
func appendSlowly(ctx context.Context, w io.Writer, data []byte, d time.Duration) error {
	tick := time.NewTicker(max(d/appendPieces, 1))
	defer tick.Stop()
	piece := max((len(data)+appendPieces-1)/appendPieces, 1)
	for len(data) > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		n := min(piece, len(data))
		if _, err := w.Write(data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// writeRenamed writes a hidden temporary file beside path and renames it, so that path appears whole.
func writeRenamed(path string, write func(io.Writer) error) error {
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
	f, err := os.Create(temp)
	if err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	b := bufio.NewWriterSize(f, 1<<20)
	err = write(b)
	if err == nil {
		err = b.Flush()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		os.Remove(temp)
		return fmt.Errorf("simulate: write %s: %w; check the disk's free space and the folder's rights", path, err)
	}
	return nil
}
