package reporting

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// BatchSchema is the version of summary.json.
const BatchSchema = "aims.batch/1"

// States of an input in a batch.
const (
	StatusOK      = "ok"
	StatusFailed  = "failed"  // could not be read or analysed, or was missing
	StatusGated   = "gated"   // deliberately not analysed
	StatusDropped = "dropped" // superseded under the policy "latest"
)

// Batch is one run for its summary files and its report. Together with the inputs' folders below the
// output folder it determines them: writing the same batch again gives the same bytes.
type Batch struct {
	Run        RunRecord
	Site       string // "" leaves it out
	Instrument string
	Version    string // of the program
	ConfigHash string
	Mode       string
	Model      *Model // nil for labels made elsewhere
	Generated  time.Time
	Inputs     []BatchInput // in the order they came

	// Of a daemon's run only.
	ExitStatus string         // success, running or abort; "" leaves what follows out
	Frames     RunTotals      // every frame by its outcome
	Alerts     []AlertMessage // one for each change of an alert that concerned the run
}

// BatchInput is one input of a batch.
type BatchInput struct {
	Path   string
	Folder string // inside the output folder; "" when there is none
	Status string // StatusOK, ...
	Error  string // why it is not ok
	Result *Result
	Sizes  Sizes // per object; may be empty when Result is nil
	// Milling is what Result.Milling amounts to; nil where nothing is milled.
	Milling *MillingFrame
}

// WriteBatch writes summary.csv, summary.json and report.html into dir, each replaced in one step. It reads
// particles.csv and overlay.png from the inputs' folders below dir.
func WriteBatch(dir string, b Batch) error { return WriteBatchFrom(dir, dir, b) }

// WriteBatchFrom does so where the inputs' folders lie elsewhere, below frames.
func WriteBatchFrom(frames, dir string, b Batch) error {
	for i := range b.Inputs {
		if in := &b.Inputs[i]; in.Status == StatusOK && in.Result == nil {
			return fmt.Errorf("batch %s: %s is ok but has no result", b.Run.ID, in.Path)
		}
		if in := &b.Inputs[i]; len(in.Sizes.ECDPx) != len(in.Sizes.WeightML) {
			return fmt.Errorf("batch %s: %s has %d sizes and %d weights", b.Run.ID, in.Path,
				len(in.Sizes.ECDPx), len(in.Sizes.WeightML))
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("batch folder %s: %w", dir, err)
	}
	b.Inputs = slices.Clone(b.Inputs)
	for i := range b.Inputs { // one file name that is no UTF-8 must not make a whole file unreadable
		in := &b.Inputs[i]
		in.Path, in.Error = strings.ToValidUTF8(in.Path, "\uFFFD"), strings.ToValidUTF8(in.Error, "\uFFFD")
	}
	pool := poolBatch(frames, &b)
	files := []struct {
		name   string
		encode func(io.Writer) error
	}{
		{SummaryCSVFile, func(w io.Writer) error { return writeSummaryCSV(w, &b) }},
		{SummaryJSONFile, func(w io.Writer) error { return encodeJSON(w, summaryOf(&b, pool)) }},
		{ReportFile, func(w io.Writer) error { return writeReport(w, frames, &b, pool) }},
	}
	var failed []error
	for _, f := range files {
		if err := ReplaceFile(dir, f.name, f.encode); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", f.name, err))
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("batch folder %s: %w; free space there or allow writing", dir, errors.Join(failed...))
	}
	return nil
}

// nmPerPx returns 0 when the input has no scale.
func (in *BatchInput) nmPerPx() float64 {
	if in.Result == nil || in.Result.Scale.NmPerPx == nil {
		return 0
	}
	return *in.Result.Scale.NmPerPx
}

// edgeObjects counts the objects that touch the border of the analysed area.
func (in *BatchInput) edgeObjects() int {
	n := 0
	for _, w := range in.Sizes.WeightML {
		if w == 0 {
			n++
		}
	}
	return n
}

// counts of a batch's inputs by status.
type counts struct {
	Total   int `json:"total"`
	OK      int `json:"ok"`
	Failed  int `json:"failed"`
	Gated   int `json:"gated"`
	Dropped int `json:"dropped"`
}

func (b *Batch) counts() counts {
	c := counts{Total: len(b.Inputs)}
	for i := range b.Inputs {
		switch b.Inputs[i].Status {
		case StatusOK:
			c.OK++
		case StatusGated:
			c.Gated++
		case StatusDropped:
			c.Dropped++
		default:
			c.Failed++
		}
	}
	return c
}
