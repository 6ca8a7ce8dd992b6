package agent

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/decode"
	"github.com/uni-aims/aimsd/stream/tiff"
)

// batch is one run of the command line over a list of inputs. Decoding runs one input ahead of the
// analysis, writing one behind.
//
//	open ─▶ decoded ─▶ analyse ─▶ written ─▶ report
type batch struct {
	Analyser       *Analyser
	Dir            string
	Mode           string
	Stdout, Stderr io.Writer
	Now            func() time.Time
	// Open reads an input; with labels, they are measured as they are. nil reads an image.
	Open func(path string) (*stream.Frame, []int32, error)

	decoder decode.Decoder
}

// item is an input on its way through a batch.
type item struct {
	input
	frame    *stream.Frame
	labels   []int32
	decode   time.Duration
	analysis *Analysis
}

// Run analyses the inputs and writes the folder. It returns a failedError when an input failed. When ctx
// ends, the report covers what was done until then, and the failedError says so.
func (b *batch) Run(ctx context.Context, inputs []input) error {
	out := &reporting.OutputFolder{Dir: b.Dir, EncodeLabels: tiff.EncodeLabels}
	if err := out.Open(); err != nil {
		return usageError{err}
	}
	defer out.Close()
	run := reporting.RunRecord{ID: ulid.Make().String(), OpenedAt: b.Now().UTC()}
	bar := newProgress(b.Stderr, len(inputs))
	defer bar.done()
	for _, in := range inputs {
		if in.err == nil {
			out.Reserve(in.name(), in.id())
		}
	}
	decoded := make(chan item, 1)
	go b.decodeAll(ctx, inputs, decoded)
	analysed := make(chan item, 1)
	go b.analyseAll(ctx, run.ID, decoded, analysed)
	var entries []reporting.BatchInput
	objects, failed := 0, 0
	for it := range analysed {
		entry := b.write(context.WithoutCancel(ctx), out, it) // what is analysed is kept
		if entry.Status != reporting.StatusOK {
			failed++
			bar.line(b.Stderr, "aimsd: %s", entry.Error)
			bar.frame(0)
		} else {
			objects += entry.Result.Objects
			bar.frame(entry.Result.Objects)
		}
		entries = append(entries, entry)
	}
	bar.done()
	var interrupted error
	run.ClosedAt, run.Reason = b.Now().UTC(), closedByEnd
	if len(entries) < len(inputs) {
		run.Reason = closedByStop
		interrupted = failedError{fmt.Sprintf("interrupted after %d of %s; run it again for the rest", len(entries), plural(len(inputs), "input"))}
	}
	if len(entries) == 0 {
		return interrupted
	}
	err := reporting.WriteBatch(b.Dir, reporting.Batch{
		Run: run, Version: b.Analyser.Version, ConfigHash: b.Analyser.ConfigHash, Mode: b.Mode,
		Model: b.Analyser.Model, Generated: b.Now().UTC(), Inputs: entries,
	})
	if err != nil {
		return fmt.Errorf("write the report in %s: %w", b.Dir, err)
	}
	fmt.Fprintf(b.Stdout, "%s, %s; report: %s\n", plural(len(entries)-failed, "image"), plural(objects, "object"),
		filepath.Join(b.Dir, reporting.ReportFile))
	if interrupted != nil {
		return interrupted
	}
	if failed > 0 {
		return failedError{fmt.Sprintf("%d of %s failed; see %s", failed, plural(len(entries), "input"),
			filepath.Join(b.Dir, reporting.SummaryCSVFile))}
	}
	return nil
}

func (b *batch) decodeAll(ctx context.Context, inputs []input, out chan<- item) {
	defer close(out)
	for _, in := range inputs {
		it := item{input: in}
		if it.err == nil {
			start := time.Now()
			it.frame, it.labels, it.err = b.open(ctx, in)
			it.decode = time.Since(start)
		}
		select {
		case out <- it:
		case <-ctx.Done():
			return
		}
	}
}

func (b *batch) open(ctx context.Context, in input) (*stream.Frame, []int32, error) {
	if b.Open != nil {
		return b.Open(in.path)
	}
	f, err := b.decoder.Frame(ctx, in.path, in.page)
	if err != nil {
		return nil, nil, err
	}
	if err := decode.Validate(f); err != nil {
		f.Release()
		return nil, nil, err
	}
	return f, nil, nil
}

func (b *batch) analyseAll(ctx context.Context, runID string, in <-chan item, out chan<- item) {
	defer close(out)
	for it := range in {
		if it.err == nil {
			it.frame.RunID = runID
			if it.labels != nil {
				it.analysis, it.err = b.Analyser.MeasureLabels(it.frame, it.labels, b.Mode)
			} else {
				it.analysis, it.err = b.Analyser.Analyse(ctx, it.frame, b.Mode)
			}
		}
		if ctx.Err() != nil {
			return
		}
		out <- it
	}
}

func (b *batch) write(ctx context.Context, out *reporting.OutputFolder, it item) reporting.BatchInput {
	entry := reporting.BatchInput{Path: it.label(), Status: reporting.StatusOK}
	err := it.err
	if err == nil {
		defer it.frame.Release()
		entry.Folder, err = writeAnalysis(ctx, out, it.id(), it.analysis, it.decode)
	}
	if err == nil {
		entry.Result, err = resultOfInput(it)
	}
	if err != nil {
		entry.Status, entry.Error = reporting.StatusFailed, oneLine(err).Error()
		return entry
	}
	entry.Sizes = it.analysis.sizes()
	return entry
}

// resultOfInput is the result as the summary tells it: beside the input's path stands the input's hash, also
// where the image is another file than the labels measured.
func resultOfInput(it item) (*reporting.Result, error) {
	res := it.analysis.Result
	if it.frame.Path == it.path {
		return res, nil
	}
	sum, err := fileSHA256(it.path)
	if err != nil {
		return nil, err
	}
	own := *res
	own.Image.Path, own.Image.SHA256 = it.path, sum
	return &own, nil
}

// fullPath identifies an input whatever folder the program is started in.
func fullPath(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// writeAnalysis writes a frame's folder and completes its timings. The id, a path where there is one, says
// whose folder it is: another id never gets the same.
func writeAnalysis(ctx context.Context, out *reporting.OutputFolder, id string, an *Analysis, decode time.Duration) (string, error) {
	an.Result.Image.Page, an.Result.Image.Pages = an.Frame.Page, an.Frame.Pages
	return out.Write(ctx, reporting.Input{
		Path: id, Name: an.Frame.Name, Result: an.Result,
		Labels: an.Labels, Width: an.Frame.Width, Height: an.Frame.Height, Objects: an.Objects,
		Gray8: an.Frame.Gray8, Gray16: an.Frame.Gray16, TextBoxes: an.TextBoxes, NoOverlay: an.NoOverlay,
		Finish: func(r *reporting.Result, took time.Duration) {
			t := &r.TimingsMs
			t.Total -= t.Decode + t.Write // of a write that failed and is tried again
			t.Decode, t.Write = ms(decode), ms(took)
			t.Total += t.Decode + t.Write
		},
	})
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
