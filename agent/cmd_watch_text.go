package agent

import (
	"strings"
	"unicode/utf8"
)

// Styles of text on a terminal, as its codes (ECMA-48, select graphic rendition).
const (
	stylePlain  = ""
	styleStrong = "1"
	styleSoft   = "2"
	styleGood   = "1;92"
	stylePause  = "1;93"
	styleStop   = "1;97;41"
	styleAlign  = "1;96"
	styleMute   = "1;37"
	styleAlarm  = "1;91"
)

// span is text of one style.
type span struct{ text, style string }

// textLine is a line of the screen.
type textLine []span

// terminalLook is what a terminal can show.
type terminalLook struct {
	colour  bool
	unicode bool
}

// render writes a line with at most width characters.
func (l terminalLook) render(line textLine, width int) string {
	var b strings.Builder
	for _, s := range line {
		text := plainText(s.text)
		if !l.unicode {
			text = asciiText(text)
		}
		if n := utf8.RuneCountInString(text); n > width {
			text = string([]rune(text)[:max(width, 0)])
		}
		width -= utf8.RuneCountInString(text)
		if l.colour && s.style != stylePlain && text != "" {
			text = "\x1b[" + s.style + "m" + text + "\x1b[0m"
		}
		b.WriteString(text)
	}
	return strings.TrimRight(b.String(), " ")
}

// asciiText is for terminals that show nothing else.
func asciiText(s string) string {
	s = strings.NewReplacer("█", "#", "░", ".", "│", "|", "┃", "|", "─", "-", "µ", "u", "±", "+/-", "²", "2", "→", "right ", "←", "left ",
		"↑", "up ", "↓", "down ", "↗", "up-right ", "↖", "up-left ", "↘", "down-right ", "↙", "down-left ").Replace(s)
	return strings.Map(func(r rune) rune {
		if r > '~' {
			return '?'
		}
		return r
	}, s)
}

// bigRows is the height of big letters.
const bigRows = 5

// bigText writes a word in letters of 5 rows; each of their points is scale characters wide. Letters that no advice
// has are left out.
func bigText(word string, scale int) []string {
	font := map[rune][bigRows]string{
		'A': {" ### ", "#   #", "#####", "#   #", "#   #"},
		'B': {"#### ", "#   #", "#### ", "#   #", "#### "},
		'C': {" ####", "#    ", "#    ", "#    ", " ####"},
		'D': {"#### ", "#   #", "#   #", "#   #", "#### "},
		'E': {"#####", "#    ", "#### ", "#    ", "#####"},
		'G': {" ####", "#    ", "#  ##", "#   #", " ####"},
		'I': {"###", " # ", " # ", " # ", "###"},
		'L': {"#    ", "#    ", "#    ", "#    ", "#####"},
		'N': {"#   #", "##  #", "# # #", "#  ##", "#   #"},
		'O': {" ### ", "#   #", "#   #", "#   #", " ### "},
		'P': {"#### ", "#   #", "#### ", "#    ", "#    "},
		'R': {"#### ", "#   #", "#### ", "#  # ", "#   #"},
		'S': {" ####", "#    ", " ### ", "    #", "#### "},
		'T': {"#####", "  #  ", "  #  ", "  #  ", "  #  "},
		'U': {"#   #", "#   #", "#   #", "#   #", " ### "},
		'V': {"#   #", "#   #", "#   #", " # # ", "  #  "},
		' ': {"   ", "   ", "   ", "   ", "   "},
	}
	rows := make([]string, bigRows)
	for _, r := range word {
		letter, ok := font[r]
		if !ok {
			continue
		}
		for i, row := range letter {
			row = strings.NewReplacer("#", strings.Repeat("█", scale), " ", strings.Repeat(" ", scale)).Replace(row)
			rows[i] += row + strings.Repeat(" ", scale)
		}
	}
	return rows
}

// barText is a bar of width characters, full to share; mark, a share too, is drawn into it. NaN draws neither.
func barText(width int, share, mark float64) string {
	full := 0
	if share > 0 {
		full = int(min(share, 1)*float64(width) + 0.5)
	}
	bar := []rune(strings.Repeat("█", full) + strings.Repeat("░", width-full))
	if mark >= 0 && mark < 1 {
		bar[int(mark*float64(width))] = '┃'
	}
	return string(bar)
}
