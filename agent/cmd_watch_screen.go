package agent

import (
	"context"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/term"
)

// Codes that terminals know (ECMA-48, and xterm's private modes).
const (
	screenBegin = "\x1b[?1049h\x1b[?25l" // another screen, no cursor
	screenEnd   = "\x1b[?25h\x1b[?1049l"
	screenHome  = "\x1b[H"
	lineRest    = "\x1b[K" // clear what is right of the cursor
	screenRest  = "\x1b[J" // and below
)

// screenEvery is how often ages are counted up on the screen.
const screenEvery = 200 * time.Millisecond

// watchScreen draws a watcher's state on a terminal, over and over in the same place.
type watchScreen struct {
	out   io.Writer
	size  func() (width, height int, err error)
	state *watchState
	look  terminalLook
	now   func() time.Time

	drawn string
}

func newWatchScreen(f *os.File, s *watchState, now func() time.Time) *watchScreen {
	enableANSI(f)
	return &watchScreen{
		out: f, size: func() (int, int, error) { return term.GetSize(int(f.Fd())) }, state: s, now: now,
		look: terminalLook{colour: os.Getenv("NO_COLOR") == "", unicode: showsUnicode(runtime.GOOS, os.Getenv)},
	}
}

// showsUnicode reports whether a terminal shows more than ASCII, by its locale.
func showsUnicode(system string, env func(string) string) bool {
	if system == "windows" {
		return true
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToUpper(env(name)); v != "" {
			return strings.Contains(v, "UTF-8") || strings.Contains(v, "UTF8")
		}
	}
	return false
}

// Run draws until ctx ends or nothing comes any more, and leaves the terminal as it was.
func (s *watchScreen) Run(ctx context.Context, sightings <-chan sighting) error {
	if _, err := io.WriteString(s.out, screenBegin); err != nil {
		return err
	}
	defer func() { _, _ = io.WriteString(s.out, screenEnd) }()
	tick := time.NewTicker(screenEvery)
	defer tick.Stop()
	for {
		if err := s.draw(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case seen, open := <-sightings:
			if !open {
				return nil
			}
			s.state.take(seen)
		case <-tick.C:
		}
	}
}

// draw writes the page in one piece, so that it does not flicker; what is on the screen already is not sent again.
func (s *watchScreen) draw() error {
	width, height, err := s.size()
	if err != nil || width < 1 || height < 1 {
		width, height = 80, 24
	}
	lines := s.state.page(s.now(), width, height)
	text := make([]string, len(lines))
	for i, l := range lines {
		text[i] = s.look.render(l, width) + lineRest
	}
	page := screenHome + strings.Join(text, "\r\n") + screenRest
	if page == s.drawn {
		return nil
	}
	s.drawn = page
	_, err = io.WriteString(s.out, page)
	return err
}
