package decode

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/tiff"
)

const (
	sidecarRest   = 150 * time.Millisecond // without a change, until a sidecar is taken for written
	neighboursFor = 10 * time.Second       // until a folder without sidecars is looked at again
	maxNeighbours = 5000                   // names of a folder that are looked at
	maxMisses     = 3                      // in a row, until images of a kind are no longer held up
	maxLooks      = 3                      // at images of a kind for a data bar that was not there
	maxLookBytes  = 8 << 20                // of an image that is decoded for that: it holds up the source
)

// Sidecars tells which images are worth waiting for the file beside them. An image is, when its own content
// holds no pixel size but shows that an instrument made it, by its name or by a data bar below the image, or
// when images of its extension came with one before: in the same folder, or in this process. The zero value is
// ready.
type Sidecars struct {
	// Panel reports whether an instrument's data bar is in the pixels; nil: it is not looked for.
	Panel func(f *stream.Frame) bool

	mu     sync.Mutex
	kinds  map[string]*sidecarHabit // by extension, lower case
	folder map[string]time.Time     // when a folder was found to have no sidecars, by path and extension
}

var _ stream.Sidecars = (*Sidecars)(nil)

// sidecarHabit is what was seen of images of one extension.
type sidecarHabit struct {
	seen   bool
	misses int // in a row
	looks  int // for a data bar, in vain
}

// Awaited reports whether an image that is complete should wait for its sidecar: it is not there, or still
// being written.
func (s *Sidecars) Awaited(path string) bool {
	kind := strings.ToLower(filepath.Ext(path))
	if name := Sidecar(path); name != "" {
		s.met(kind)
		info, err := os.Stat(name)
		if err != nil {
			return false
		}
		age := time.Since(info.ModTime()) // negative where the clock of a share is ahead
		return age >= 0 && age < sidecarRest
	}
	own, named := selfDescribed(path)
	switch {
	case own || s.given(kind):
		return false
	case named:
		return true
	}
	return s.usual(path, kind) || s.panel(path, kind)
}

// panel decodes the first images of a kind for Panel.
func (s *Sidecars) panel(path, kind string) bool {
	s.mu.Lock()
	looks := s.habit(kind).looks
	s.mu.Unlock()
	info, err := os.Stat(path)
	if s.Panel == nil || looks >= maxLooks || err != nil || info.Size() > maxLookBytes {
		return false
	}
	f, err := File(context.Background(), path)
	if err != nil {
		return false
	}
	defer f.Release()
	if s.Panel(f) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.habit(kind).looks++
	return false
}

// Missed is told of an image whose sidecar did not come in time.
func (s *Sidecars) Missed(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.habit(strings.ToLower(filepath.Ext(path))).misses++
}

func (s *Sidecars) met(kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.habit(kind) = sidecarHabit{seen: true}
}

// given reports whether sidecars of a kind stayed away too often.
func (s *Sidecars) given(kind string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.habit(kind).misses >= maxMisses
}

// habit returns what is known of a kind; the lock is held.
func (s *Sidecars) habit(kind string) *sidecarHabit {
	if s.kinds == nil {
		s.kinds, s.folder = map[string]*sidecarHabit{}, map[string]time.Time{}
	}
	h := s.kinds[kind]
	if h == nil {
		h = &sidecarHabit{}
		s.kinds[kind] = h
	}
	return h
}

// usual reports whether images of a kind come with sidecars, here or in the image's folder.
func (s *Sidecars) usual(path, kind string) bool {
	s.mu.Lock()
	seen := s.habit(kind).seen
	key := filepath.Dir(path) + "|" + kind
	fresh := time.Since(s.folder[key]) < neighboursFor
	s.mu.Unlock()
	if seen || fresh {
		return seen
	}
	if neighbourHasSidecar(path, kind) {
		s.met(kind)
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.folder) > maxNeighbours {
		clear(s.folder)
	}
	s.folder[key] = time.Now()
	return false
}

// neighbourHasSidecar looks for another image of the same extension in the folder that has a sidecar.
func neighbourHasSidecar(path, kind string) bool {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return false
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(maxNeighbours)
	there := make(map[string]bool, len(names))
	for _, n := range names {
		there[n] = true
	}
	tried := 0
	for _, n := range names {
		if strings.ToLower(filepath.Ext(n)) != kind || n == filepath.Base(path) {
			continue
		}
		if slices.ContainsFunc(SidecarNames(n), func(side string) bool { return there[side] && side != n }) {
			if Sidecar(filepath.Join(filepath.Dir(path), n)) != "" {
				return true
			}
			if tried++; tried == 8 { // notes, most likely
				return false
			}
		}
	}
	return false
}

// selfDescribed reports whether an image holds its own pixel size, or is of a format that always could, and
// whether it names an instrument that writes sidecars.
func selfDescribed(path string) (own, named bool) {
	src, err := open(path)
	if err != nil {
		return true, false
	}
	defer src.close()
	switch src.format() {
	case formatPNG, formatJPEG, formatBMP, formatPGM:
		return false, false
	case formatTIFF:
	default:
		return true, false
	}
	t, err := tiff.Parse(src.readerAt(), src.size)
	if err != nil {
		return true, false
	}
	p := t.Frames()[0]
	var m stream.Metadata
	b := builder{meta: &m, width: 1 << 14, height: 1 << 14}
	b.instrument(p)
	b.software(p, 0)
	const tagArtist = 315
	for _, id := range []uint16{tiff.TagMake, tiff.TagModel, tiff.TagSoftware, tagArtist} {
		s := strings.ToLower(text(p, id))
		named = named || strings.Contains(s, "hitachi") || strings.Contains(s, "jeol") || strings.Contains(s, "tescan")
	}
	return m.NmPerPx > 0, named
}
