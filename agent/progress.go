package agent

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// progress shows frames, objects, rate and time left on a terminal, and nothing elsewhere.
type progress struct {
	bars    *mpb.Progress
	bar     *mpb.Bar
	objects atomic.Int64
	start   time.Time
}

// newProgress begins a bar of total frames on w when w is a terminal.
func newProgress(w io.Writer, total int) *progress {
	p := &progress{start: time.Now()}
	if !isTerminal(w) {
		return p
	}
	p.bars = mpb.New(mpb.WithOutput(w), mpb.WithWidth(32), mpb.WithRefreshRate(200*time.Millisecond))
	p.bar = p.bars.New(int64(total), mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]"),
		mpb.PrependDecorators(decor.CountersNoUnit("%d / %d frames ")),
		mpb.AppendDecorators(decor.Any(func(s decor.Statistics) string {
			elapsed := time.Since(p.start)
			text := fmt.Sprintf("  %d objects", p.objects.Load())
			if s.Current > 0 {
				rate := float64(s.Current) / elapsed.Seconds()
				left := time.Duration(float64(s.Total-s.Current)/rate*1e9) * time.Nanosecond
				text += fmt.Sprintf("  %.2f frames/s  %s left", rate, left.Round(time.Second))
			}
			return text
		})))
	return p
}

// frame counts one frame with its objects.
func (p *progress) frame(objects int) {
	p.objects.Add(int64(objects))
	if p.bar != nil {
		p.bar.Increment()
	}
}

// line prints a line above the bar.
func (p *progress) line(w io.Writer, format string, args ...any) {
	if p.bars != nil {
		w = p.bars
	}
	fmt.Fprintf(w, format+"\n", args...)
}

// done ends the bar.
func (p *progress) done() {
	if p.bar != nil {
		p.bar.Abort(false)
		p.bars.Wait()
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
