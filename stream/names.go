package stream

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// ignoredName reports whether a file or folder name is hidden or marks a file that is still being made.
func ignoredName(name string) bool {
	lower := strings.ToLower(name)
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~$") || slices.ContainsFunc(
		[]string{".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", "~"},
		func(suffix string) bool { return strings.HasSuffix(lower, suffix) })
}

// imageName reports whether a name promises an image. It is asked of empty files only: the format of all
// others is decided by content.
func imageName(name string) bool {
	return slices.Contains([]string{"", ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".dm3", ".dm4", ".mrc"},
		strings.ToLower(filepath.Ext(name)))
}

// compareNatural orders names as people do: runs of digits by their number, so img2 before img10.
func compareNatural(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		if isDigit(x[0]) && isDigit(y[0]) {
			var m, n string
			m, x = cutDigits(x)
			n, y = cutDigits(y)
			if c := cmp.Or(cmp.Compare(len(m), len(n)), cmp.Compare(m, n)); c != 0 {
				return c
			}
			continue
		}
		if c := cmp.Compare(x[0], y[0]); c != 0 {
			return c
		}
		x, y = x[1:], y[1:]
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(a, b))
}

// cutDigits splits off a leading run of digits, without its leading zeros.
func cutDigits(s string) (digits, rest string) {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return strings.TrimLeft(s[:n], "0"), s[n:]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// deviceName reports whether Windows takes a name, with or without an extension, for a device
// (learn.microsoft.com: Naming Files, Paths, and Namespaces).
func deviceName(name string) bool {
	stem, _, _ := strings.Cut(name, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	if slices.Contains([]string{"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}, stem) {
		return true
	}
	port, ok := strings.CutPrefix(stem, "COM")
	if !ok {
		port, ok = strings.CutPrefix(stem, "LPT")
	}
	return ok && utf8.RuneCountInString(port) == 1 && strings.ContainsAny(port, "0123456789\u00b9\u00b2\u00b3")
}
