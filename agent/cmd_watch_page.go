package agent

import (
	"fmt"
	"strings"
	"time"

	"github.com/uni-aims/aimsd/metrics/milling"
	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// Sizes of the page.
const (
	bigBlock   = 17 // lines that a source needs to have its advice in big letters
	roomyBlock = 21 // and with empty lines between
	hugeBlock  = 30 // and in letters of twice the height
	hugeWidth  = 100
)

// page is the screen at a moment, in at most height lines.
func (s *watchState) page(now time.Time, width, height int) []textLine {
	lines := []textLine{s.head(now, width)}
	if s.down != nil {
		lines = append(lines, textLine{{"  " + s.down.Error(), styleAlarm}})
	}
	names := s.names()
	if len(names) == 0 {
		lines = append(lines, nil, textLine{{"  No feedback yet. It comes with the frames of the sources that the section milling of", stylePlain}},
			textLine{{"  the daemon's configuration names.", stylePlain}})
	}
	for i, name := range names {
		room := (height - len(lines)) / (len(names) - i)
		lines = append(lines, s.sources[name].block(name, now, width, room)...)
	}
	return lines[:min(len(lines), height)]
}

// head says where the feedback comes from, and whether it does.
func (s *watchState) head(now time.Time, width int) textLine {
	left, right := " aimsd watch  "+s.address, now.Format("15:04:05")+" "
	state, style := "connecting", styleSoft
	switch {
	case s.up:
		state, style = "connected", styleGood
	case s.down != nil:
		state, style = fmt.Sprintf("NO CONNECTION for %s, trying again", ageText(now.Sub(s.since))), styleAlarm
	}
	middle := width - len(left) - len(right) - 4
	if runes := []rune(state); len(runes) > middle {
		state = string(runes[:max(middle, 0)])
	}
	gap := max(width-len([]rune(left))-len([]rune(state))-len(right)-2, 0)
	return textLine{{left, styleSoft}, {"  ", stylePlain}, {state, style}, {strings.Repeat(" ", gap), stylePlain}, {right, styleSoft}}
}

// block is one source's part of the page, in at most room lines.
func (w *watched) block(name string, now time.Time, width, room int) []textLine {
	lines := []textLine{{{strings.Repeat("─", width), styleSoft}}}
	f := w.last
	if f == nil {
		return append(lines, textLine{{"  " + name, styleStrong}, {"   no frame yet: advice comes with its first one", stylePlain}}, nil)
	}
	title := textLine{{"  " + name, styleStrong}, {fmt.Sprintf("   run %s   frame %d", f.GetRunId(), f.GetSeq()), stylePlain}}
	if f.GetStageName() != "" {
		title = append(title, span{"   stage " + f.GetStageName(), stylePlain})
	}
	lines = append(lines, append(title, w.arming(now)...))
	word, style, text := w.word(now)
	blank := func() {
		if room >= roomyBlock {
			lines = append(lines, nil)
		}
	}
	if room >= bigBlock {
		lines = append(lines, nil)
		wide, high := 1, 1
		if width >= hugeWidth { // the longest word has 94 characters then
			wide = 2
			if room >= hugeBlock {
				high = 2
			}
		}
		for _, row := range bigText(word, wide) {
			for range high {
				lines = append(lines, textLine{{"  ", stylePlain}, {row, style}})
			}
		}
		lines = append(lines, nil)
	} else {
		lines = append(lines, textLine{{"  >>> " + word + " <<<", style}})
	}
	lines = append(lines, textLine{{"  " + text, styleStrong}})
	blank()
	lines = append(lines, w.progress(), w.front(), w.drift(), w.endpoint(), w.image(), w.age(now))
	blank()
	return append(lines, w.history(room-len(lines))...)
}

// word is what an operator should do, in one word, with its style and the sentence that goes with it.
func (w *watched) word(now time.Time) (word, style, text string) {
	if w.expired(now) {
		return noAdvice, styleAlarm, fmt.Sprintf("treat as PAUSE: the last advice (%s) ran out %s ago", w.last.GetAdvice(), ageText(now.Sub(w.at)-w.validFor()))
	}
	word = w.last.GetAdvice().String()
	return word, adviceStyle(w.last.GetAdvice()), w.last.GetText()
}

func adviceStyle(a aimsv1.Advice) string {
	switch a.String() {
	case milling.Continue:
		return styleGood
	case milling.Pause:
		return stylePause
	case milling.Stop:
		return styleStop
	case milling.Realign:
		return styleAlign
	}
	return styleMute
}
