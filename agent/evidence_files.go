package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/reporting"
)

// Names in a folder of evidence.
const (
	evidenceFile   = "evidence.json"
	evidenceSchema = "aims.evidence/1"
	evidenceImage  = "frame.tif"
)

// evidenceIndex is evidence.json.
type evidenceIndex struct {
	Schema   string                 `json:"schema"`
	AlertID  string                 `json:"alert_id"`
	Code     string                 `json:"code"`
	Key      string                 `json:"key"`
	RaisedAt time.Time              `json:"raised_at"`
	Complete bool                   `json:"complete"` // nothing more will come
	Whole    bool                   `json:"whole"`    // and everything that was to come is here
	Alert    json.RawMessage        `json:"alert"`    // the message that raised it
	Frames   []evidenceIndexedFrame `json:"frames"`
}

type evidenceIndexedFrame struct {
	Role      string                `json:"role"`   // frame, before-1 (the one just before), after-1
	Folder    string                `json:"folder"` // below this file: "" or the role
	FrameID   string                `json:"frame_id"`
	RunID     string                `json:"run_id"`
	Source    string                `json:"source"`
	Seq       uint64                `json:"seq"`
	Name      string                `json:"name"`
	Path      string                `json:"path"`
	SHA256    string                `json:"sha256"` // of the original
	ReducedBy int                   `json:"reduced_by"`
	Files     []evidenceIndexedFile `json:"files"`
}

type evidenceIndexedFile struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// has reports whether a file of the frame is there.
func (f evidenceIndexedFrame) has(name string) bool {
	return slices.ContainsFunc(f.Files, func(x evidenceIndexedFile) bool { return x.Name == name })
}

// add notes a file that was written.
func (f *evidenceIndexedFrame) add(dir, name string) error {
	in, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	hash := sha256.New()
	n, err := io.Copy(hash, in)
	if err = errors.Join(err, in.Close()); err == nil {
		f.Files = append(f.Files, evidenceIndexedFile{name, n, hex.EncodeToString(hash.Sum(nil))})
	}
	return err
}

func role(side string, n int) string { return fmt.Sprintf("%s-%d", side, n) }

// write does one step of a bundle. evidence.json is replaced as the last of each.
func (e *evidence) write(dir string, s evidenceStep) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	index := evidenceIndex{
		Schema: evidenceSchema, AlertID: s.alert.ID, Code: s.alert.Code, Key: s.alert.Key, RaisedAt: s.alert.RaisedAt,
		Alert: s.alert.Payload, Frames: []evidenceIndexedFrame{},
	}
	path := filepath.Join(dir, evidenceFile)
	if data, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(data, &index); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var failed error
	if s.role == "" {
		index.Complete, index.Whole = true, s.whole && e.hasAll(index.Frames)
	} else {
		var f evidenceIndexedFrame
		f, failed = e.writeFrame(dir, s)
		index.Frames = append(index.Frames, f)
	}
	data, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return errors.Join(failed, err)
	}
	return errors.Join(failed, replaceFile(path, append(data, '\n')))
}

// closeLeft ends the bundles of an earlier process that did not come to it: nothing more will come.
func (e *evidence) closeLeft(ctx context.Context) {
	left, err := filepath.Glob(filepath.Join(e.Dir, "*", evidenceFile))
	if err != nil {
		return
	}
	for _, path := range left {
		if ctx.Err() != nil {
			return
		}
		var index evidenceIndex
		data, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(data, &index)
		}
		if err == nil && index.Complete {
			continue
		}
		if err == nil {
			index.Complete = true
			if data, err = json.MarshalIndent(index, "", "  "); err == nil {
				err = replaceFile(path, append(data, '\n'))
			}
		}
		if err != nil {
			e.Log.Warn("evidence that a crash left is not ended", zap.String("file", path), zap.Error(err))
		}
	}
}

// hasAll reports whether the alert's frame and every one after it is there, and has its picture; there may
// have been none before.
func (e *evidence) hasAll(frames []evidenceIndexedFrame) bool {
	after := 0
	for _, f := range frames {
		if !f.has(evidenceImage) {
			return false
		}
		if f.Role != "frame" && f.Role[0] == 'a' {
			after++
		}
	}
	return after == e.After && slices.ContainsFunc(frames, func(f evidenceIndexedFrame) bool { return f.Role == "frame" })
}

// writeFrame writes a frame's picture and takes its results from the run's folder.
func (e *evidence) writeFrame(dir string, s evidenceStep) (evidenceIndexedFrame, error) {
	rec := s.frame.rec
	f := evidenceIndexedFrame{
		Role: s.role, FrameID: rec.ID, RunID: rec.RunID, Source: rec.Source, Seq: rec.Seq, Name: rec.Name, Path: rec.Path,
		SHA256: rec.SHA256, ReducedBy: max(s.frame.picture.reducedBy, 1), Files: []evidenceIndexedFile{},
	}
	if s.role != "frame" {
		f.Folder = s.role
	}
	into := filepath.Join(dir, f.Folder)
	if err := os.MkdirAll(into, 0o750); err != nil {
		return f, err
	}
	var errs []error
	if s.frame.picture.width > 0 {
		err := s.frame.picture.save(filepath.Join(into, evidenceImage))
		if err == nil {
			err = f.add(into, evidenceImage)
		}
		errs = append(errs, err)
	}
	if rec.Folder != "" && e.RunDir != nil {
		from := filepath.Join(e.RunDir(rec.RunID), rec.Folder)
		for _, name := range []string{reporting.OverlayFile, reporting.ParticlesFile, reporting.ResultFile} {
			err := linkOrCopy(filepath.Join(from, name), filepath.Join(into, name))
			if err == nil {
				err = f.add(into, name)
			}
			if !errors.Is(err, fs.ErrNotExist) { // the run may be tidied by now
				errs = append(errs, err)
			}
		}
	}
	return f, errors.Join(errs...)
}

// linkOrCopy gives a result of our own a second name, so that it stays when the run's folder is tidied.
func linkOrCopy(from, to string) (err error) {
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	return writeFile(to, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
}

// writeFile makes or replaces a file; one that cannot be written whole is removed.
func writeFile(path string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	if err := errors.Join(fill(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// replaceFile puts data in the place of a file at once.
func replaceFile(path string, data []byte) error {
	tmp := path + ".new"
	if err := writeFile(tmp, func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
