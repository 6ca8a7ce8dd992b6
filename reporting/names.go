package reporting

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Names of the batch's own files and of the marker that keeps a watched folder from taking outputs as
// inputs. No input's folder is ever called like one of them.
const (
	ReportFile      = "report.html"
	SummaryCSVFile  = "summary.csv"
	SummaryJSONFile = "summary.json"
	MarkerFile      = ".aimsd"
)

const (
	maxNameBytes = 180 // leaves room for a suffix and for Windows' 260 characters of path
	hiddenPrefix = ".aimsd"
	noName       = "_"
)

// Namer gives every input of a run its output folder's name: the file's base name with its extension, made
// legal on every platform; a later collision, compared case-insensitively and NFC-normalised, becomes
// NAME~<first 8 hex of the path's SHA-256>. The same path always gets the same name. The zero value is
// ready; it is safe for concurrent use.
type Namer struct {
	mu     sync.Mutex
	byPath map[string]string   // identity of a path -> name
	taken  map[string]struct{} // folded names
}

// Name returns the folder name for the input that is called name (its base name) and identified by path.
// Call it in the order of the inputs: who comes first gets the plain name. With name "", the base name of
// path is used.
func (n *Namer) Name(name, path string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.prepare()
	id := identity(path)
	if known, ok := n.byPath[id]; ok {
		return known
	}
	if name == "" {
		name = path
	}
	plain := sanitise(name)
	sum := sha256.Sum256([]byte(path))
	digest := hex.EncodeToString(sum[:])
	chosen := plain
	for digits := 8; n.isTaken(chosen) && digits <= len(digest); digits += 8 {
		chosen = plain + "~" + digest[:digits]
	}
	n.byPath[id] = chosen
	n.taken[fold(chosen)] = struct{}{}
	return chosen
}

// Restore remembers that path already owns the folder called name, from an earlier run into the same
// output folder.
func (n *Namer) Restore(name, path string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.prepare()
	n.taken[fold(name)] = struct{}{}
	if id := identity(path); path != "" {
		if _, ok := n.byPath[id]; !ok {
			n.byPath[id] = name
		}
	}
}

// Take reserves a name that belongs to no input.
func (n *Namer) Take(name string) { n.Restore(name, "") }

func (n *Namer) prepare() {
	if n.taken != nil {
		return
	}
	n.byPath, n.taken = map[string]string{}, map[string]struct{}{}
	for _, own := range []string{ReportFile, SummaryCSVFile, SummaryJSONFile, "report.pdf", "report.xlsx", MarkerFile} {
		n.taken[fold(own)] = struct{}{}
	}
}

func (n *Namer) isTaken(name string) bool {
	_, ok := n.taken[fold(name)]
	return ok
}

// identity makes spellings of one path equal ("./a.tif", "a.tif" and its absolute path).
func identity(path string) string {
	if path == "" {
		return ""
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return filepath.Clean(path)
}

// fold is the key under which names collide on a file system that ignores case or normalises.
func fold(name string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(name)))
}

// sanitise makes a base name legal as a folder name on Linux, macOS and Windows
// (learn.microsoft.com: Naming Files, Paths, and Namespaces). Legal names come back unchanged.
func sanitise(name string) string {
	name = filepath.Base(strings.ToValidUTF8(name, "_"))
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || strings.ContainsRune(`<>:"/\|?*`, r) {
			return '_'
		}
		return r
	}, name)
	name = shorten(name, maxNameBytes)
	if trimmed := strings.TrimRight(name, ". "); trimmed != name {
		name = trimmed + strings.Repeat("_", len(name)-len(trimmed))
	}
	if name == "" {
		return noName
	}
	if reserved(name) || strings.HasPrefix(strings.ToLower(name), hiddenPrefix) {
		name = "_" + name
	}
	return name
}

// shorten cuts a name to at most limit bytes between runes, keeping a short extension.
func shorten(name string, limit int) string {
	if len(name) <= limit {
		return name
	}
	ext := filepath.Ext(name)
	if len(ext) > 16 {
		ext = ""
	}
	cut := limit - len(ext)
	for cut > 0 && !utf8.RuneStart(name[cut]) {
		cut--
	}
	return name[:cut] + ext
}

// reserved reports whether Windows takes the name, with or without an extension, for a device.
func reserved(name string) bool {
	stem, _, _ := strings.Cut(name, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	port, ok := strings.CutPrefix(stem, "COM")
	if !ok {
		port, ok = strings.CutPrefix(stem, "LPT")
	}
	return ok && utf8.RuneCountInString(port) == 1 && strings.ContainsAny(port, "0123456789¹²³")
}
