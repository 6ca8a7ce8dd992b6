package reporting

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/metrics"
)

// Files of an input's folder.
const (
	LabelsFile    = "labels.tif"
	ParticlesFile = "particles.csv"
	ResultFile    = "result.json"
	OverlayFile   = "overlay.png"
)

// maxResultBytes bounds the result.json files that are read back.
const maxResultBytes = 16 << 20

var errFolderHeld = errors.New("another aimsd is writing there")

// OutputFolder writes inputs' folders into Dir: DIR/NAME/{labels.tif,particles.csv,overlay.png,result.json}.
// A folder appears complete or not at all, and a rerun replaces it in one step. Set the public fields,
// then Open, then Write as often as wanted from any goroutine, then Close. One OutputFolder at a time may
// hold a Dir.
type OutputFolder struct {
	Dir string
	// EncodeLabels writes a label image (row-major, 0 background) as TIFF: uint16, or uint32 when a label
	// exceeds 65535. Required.
	EncodeLabels func(w io.Writer, labels []int32, width, height int) error
	Log          *zap.Logger // nil: silent

	mu    sync.Mutex // guards opened and lock; replacements of one folder are serialised by it too
	names Namer
	lock  io.Closer
	// rename is os.Rename; tests make it fail.
	rename func(oldpath, newpath string) error
}

// Input is one analysed frame on its way to disk.
type Input struct {
	Path   string // identifies the input; for a streamed frame its source and frame_uid
	Name   string // base name with extension; "" takes it from Path
	Result *Result

	Labels        []int32 // row-major, Width*Height
	Width, Height int
	Objects       []metrics.Object
	Gray8         []uint8  // the picture below the outlines; both nil: a plain background
	Gray16        []uint16 // at most one of the two is set
	TextBoxes     []metrics.Rect
	NoOverlay     bool // leave the picture out

	// Finish, when set, is called once the label image, the table and the overlay are on disk and before
	// result.json is written, with the time they took, so that timings_ms.write and total can be filled in.
	Finish func(r *Result, took time.Duration)
}

// Open makes Dir, marks it as an output, takes hold of it, completes or removes what a crash left behind,
// and remembers which input owns which folder.
func (o *OutputFolder) Open() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.EncodeLabels == nil {
		return errors.New("output folder: EncodeLabels is not set")
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.rename == nil {
		o.rename = os.Rename
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return o.failed(err)
	}
	lock, err := holdFolder(filepath.Join(o.Dir, MarkerFile))
	if err != nil {
		return o.failed(err)
	}
	if err := o.recover(); err != nil {
		_ = lock.Close()
		return o.failed(err)
	}
	if err := o.restoreNames(); err != nil {
		_ = lock.Close()
		return o.failed(err)
	}
	o.lock = lock
	return nil
}

// Close lets go of Dir. It may be called more than once.
func (o *OutputFolder) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lock == nil {
		return nil
	}
	err := o.lock.Close()
	o.lock = nil
	return err
}

// Reserve returns the name of the folder that the input's outputs go to. Calling it in the order of the
// inputs, before they are processed in parallel, makes the names independent of who finishes first.
func (o *OutputFolder) Reserve(name, path string) string { return o.names.Name(name, path) }

// Write puts the input's files on disk and returns the name of its folder inside Dir. Until it returns
// without an error, an earlier result of the same input stays in place untouched.
func (o *OutputFolder) Write(ctx context.Context, in Input) (folder string, err error) {
	if o.rename == nil {
		return "", fmt.Errorf("output folder %s: not open", o.Dir)
	}
	if err := in.check(); err != nil {
		return "", err
	}
	name := o.Reserve(in.Name, in.Path)
	start := time.Now()
	tmp, err := os.MkdirTemp(o.Dir, tempPrefix+"*")
	if err != nil {
		return "", o.failed(err)
	}
	defer func() {
		if err != nil {
			o.remove(tmp)
		}
	}()
	if err := o.writeFiles(ctx, tmp, in); err != nil {
		return "", o.failed(err)
	}
	if in.Finish != nil {
		in.Finish(in.Result, time.Since(start))
	}
	if in.Path != in.Result.Image.Path {
		in.Result.Input = in.Path
	}
	if err := writeSynced(filepath.Join(tmp, ResultFile), func(w io.Writer) error { return encodeJSON(w, in.Result) }); err != nil {
		return "", o.failed(err)
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := o.publish(tmp, name); err != nil {
		return "", o.failed(err)
	}
	return name, nil
}

func (in *Input) check() error {
	px := in.Width * in.Height
	switch {
	case in.Result == nil:
		return fmt.Errorf("write %s: no result", in.Path)
	case in.Path == "":
		return errors.New("write output: the input has no path")
	case in.Width <= 0 || in.Height <= 0 || px/in.Height != in.Width:
		return fmt.Errorf("write %s: size %dx%d", in.Path, in.Width, in.Height)
	case len(in.Labels) != px:
		return fmt.Errorf("write %s: %d labels for %dx%d px", in.Path, len(in.Labels), in.Width, in.Height)
	case in.Gray8 != nil && len(in.Gray8) != px, in.Gray16 != nil && len(in.Gray16) != px:
		return fmt.Errorf("write %s: picture and labels differ in size", in.Path)
	case !in.analysedFits():
		return fmt.Errorf("write %s: analysed area outside the frame", in.Path)
	case in.Gray8 != nil && in.Gray16 != nil:
		return fmt.Errorf("write %s: both an 8-bit and a 16-bit picture", in.Path)
	}
	return nil
}

func (in *Input) analysedFits() bool {
	a := in.Result.Image.Analysed
	return a.X0 >= 0 && a.Y0 >= 0 && a.X0 <= a.X1 && a.Y0 <= a.Y1 && a.X1 <= in.Width && a.Y1 <= in.Height
}

// restoreNames learns from the folders of earlier runs which path owns which name. Whatever else lies in
// Dir is not ours and keeps its name too.
func (o *OutputFolder) restoreNames() error {
	entries, err := os.ReadDir(o.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == MarkerFile {
			continue
		}
		path, err := ownerOf(filepath.Join(o.Dir, e.Name()))
		if err != nil && e.IsDir() {
			o.Log.Debug("leaving a folder that holds no readable result", zap.String("folder", e.Name()), zap.Error(err))
		}
		o.names.Restore(e.Name(), path)
	}
	return nil
}

// ownerOf reads the input path from a folder's result.json.
func ownerOf(folder string) (string, error) {
	f, err := os.Open(filepath.Join(folder, ResultFile))
	if err != nil {
		return "", err
	}
	defer f.Close()
	var r struct {
		Schema string `json:"schema"`
		Input  string `json:"input"`
		Image  struct {
			Path string `json:"path"`
		} `json:"image"`
	}
	if err := json.NewDecoder(io.LimitReader(f, maxResultBytes)).Decode(&r); err != nil {
		return "", err
	}
	owner := cmp.Or(r.Input, r.Image.Path)
	if !strings.HasPrefix(r.Schema, "aims.result/") || owner == "" {
		return "", errors.New("not a result of this program")
	}
	return owner, nil
}

// failed names the folder and the remedy, once.
func (o *OutputFolder) failed(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("output folder %s: %w; free space there, allow writing, or choose another folder", o.Dir, err)
}
