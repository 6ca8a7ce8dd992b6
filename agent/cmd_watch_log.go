package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// noAdvice is shown once an advice has run out: whoever acts on advice must take it for a pause.
const noAdvice = "NO ADVICE"

// log prints a line for each feedback, and for each advice that runs out.
func (w *watch) log(ctx context.Context, sightings <-chan sighting) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	expired := map[string]bool{}
	down := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if w.JSON {
				continue
			}
			now := w.Now()
			for _, name := range w.State.names() {
				if s := w.State.sources[name]; s.expired(now) && !expired[name] {
					expired[name] = true
					fmt.Fprintf(w.Out, "%s  %s  frame %d  %s: treat as PAUSE; the last one has run out\n", clockText(now), plainText(name), s.last.GetSeq(), noAdvice)
				}
			}
		case s, open := <-sightings:
			switch {
			case !open:
				return nil
			case s.Feedback != nil:
				w.State.take(s)
				expired[s.Feedback.GetSource()] = false
				if err := w.print(s); err != nil {
					return err
				}
			case s.Armed != nil: // it stands on the screen alone
			case s.Down != nil && !down:
				down = true
				fmt.Fprintf(w.Err, "aimsd: %s; trying again\n", plainText(s.Down.Error()))
			case s.Down == nil:
				if down {
					fmt.Fprintf(w.Err, "aimsd: connected to %s\n", w.Link.Target.Address)
				}
				down = false
			}
		}
	}
}

func (w *watch) print(s sighting) error {
	if w.JSON {
		return printJSON(w.Out, s.Feedback)
	}
	f := s.Feedback
	text := adviceLine(s.At, f.GetSource(), f.GetSeq(), f.GetAdvice().String(), f.GetText(), f.GetReasons())
	if n := f.GetSkipped(); n > 0 {
		text += fmt.Sprintf("  (%d before it were not shown)", n)
	}
	_, err := fmt.Fprintln(w.Out, plainText(text))
	return err
}

// printJSON writes a feedback on one line, with the names of the protocol.
func printJSON(w io.Writer, f *aimsv1.Feedback) error {
	text, err := protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}.Marshal(f)
	if err != nil {
		return fmt.Errorf("feedback %s: %w", f.GetId(), err)
	}
	var line bytes.Buffer
	if err := json.Compact(&line, text); err != nil { // protojson's spaces differ from call to call
		return fmt.Errorf("feedback %s: %w", f.GetId(), err)
	}
	line.WriteByte('\n')
	_, err = w.Write(line.Bytes())
	return err
}

// adviceLine is a frame's advice on a line.
func adviceLine(at time.Time, source string, seq uint64, advice, said string, reasons []string) string {
	text := fmt.Sprintf("%s  %s  frame %d  %-8s  %s", clockText(at), source, seq, advice, said)
	if len(reasons) > 0 {
		text += "  [" + strings.Join(reasons, " ") + "]"
	}
	return text
}

func clockText(t time.Time) string { return t.Format("2006-01-02 15:04:05.000") }

// plainText leaves out what a terminal would take for a command.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, s)
}
