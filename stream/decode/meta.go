package decode

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/tiff"
)

// Private tags in which instruments keep their metadata.
const (
	tagSFEG   = 34680 // FEI, older files: INI text
	tagHelios = 34682 // FEI and Thermo Fisher: INI text
	tagTitan  = 34683 // Phenom, Titan and newer xT: XML
	tagZeiss  = 34118 // SmartSEM: key and value lines
	tagTESCAN = 50431 // binary with key=value lines
	tagSIS    = 33560 // Olympus Soft Imaging Solutions: where its directory lies

	tagXPComment = 40092 // Windows' comment, in which Hitachi's TM series repeats its sidecar

	tagDMUnitX, tagDMUnitY   = 65003, 65004 // DigitalMicrograph's export
	tagDMScaleX, tagDMScaleY = 65009, 65010
)

// Bounds on Metadata.Raw.
const (
	maxRawKeys  = 2000
	maxRawBytes = 64 << 10 // of keys and values together
	maxRawValue = 1 << 10  // bytes of one value
)

// describe reads what a page's tags say about the frame. A page that says nothing of itself is described by
// the first page of its size that does: instruments and OME-TIFF describe a stack once. Damaged metadata
// leaves fields unknown; it never fails a frame.
//
// Of several sources the first counts: the instrument's own tags, the file that it wrote beside the image,
// what general software left in the description. Later ones fill gaps.
func (t *tiffPicture) describe(b *builder, i int) {
	p := t.pages[i]
	directory := slices.Index(t.src.tiff.Pages, p)
	b.instrument(p)
	b.sidecar(t.src.path)
	b.software(p, directory)
	for k := 0; k < len(t.pages) && k < 16 && b.meta.Vendor == "" && b.meta.NmPerPx == 0; k++ {
		if t.pages[k] == p || !sameSize(t.pages[k], p) {
			continue
		}
		b.instrument(t.pages[k])
		b.software(t.pages[k], directory)
	}
	*b.meta = *b.finish()
}

func sameSize(a, b *tiff.Page) bool {
	for _, id := range []uint16{tiff.TagImageWidth, tiff.TagImageLength} {
		x, _ := a.Uint(id, 0)
		y, _ := b.Uint(id, 0)
		if x != y {
			return false
		}
	}
	return true
}

// described completes the frame of a format that carries no metadata, unless err says that it failed.
func (s *source) described(f *stream.Frame, err error) error {
	if err != nil {
		return err
	}
	b := builder{meta: &f.Meta, width: f.Width, height: f.Height}
	b.sidecar(s.path)
	f.Meta = *b.finish()
	return nil
}

// instrument reads the private tags of instruments.
func (b *builder) instrument(p *tiff.Page) {
	helios, titan := text(p, tagHelios), text(p, tagTitan)
	switch {
	case strings.Contains(helios, "["):
		b.fei(helios)
		if b.meta.NmPerPx == 0 && titan != "" {
			b.feiXML(titan)
		}
		return
	case strings.TrimSpace(titan) != "":
		b.feiXML(titan)
		return
	case strings.Contains(text(p, tagSFEG), "["):
		b.fei(text(p, tagSFEG))
		return
	}
	if s := text(p, tagZeiss); s != "" {
		b.zeiss(s)
	} else if s, _ := p.Bytes(tagTESCAN); len(s) > 0 {
		b.tescan(s)
	} else if off, _ := p.Uint(tagSIS, 0); off > 0 {
		b.sis(p, off)
	} else if unit := text(p, tagDMUnitX); unit != "" {
		b.dmTags(p, unit)
	} else {
		b.fibsemDescription(p)
	}
}

// software reads what general software says on a page about a directory of the file.
func (b *builder) software(p *tiff.Page, directory int) {
	if b.meta.NmPerPx > 0 {
		return
	}
	if s, _ := p.Bytes(tagXPComment); len(s) > 0 {
		b.hitachiComment(unicodeText(s))
	}
	if b.meta.NmPerPx == 0 {
		b.description(p, directory)
	}
}

// text returns a text tag as UTF-8.
func text(p *tiff.Page, id uint16) string {
	s, err := p.ASCII(id)
	if err != nil {
		return ""
	}
	return utf8Text(s)
}

// utf8Text returns s, read as Latin-1 when it is no UTF-8.
func utf8Text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

// builder collects the metadata of one file.
type builder struct {
	meta          *stream.Metadata
	width, height int // of the file's image, px
	rawBytes      int
}

// raw keeps a key and its value as written, within bounds; the first of equal keys stays.
func (b *builder) raw(key, value string) {
	if len(value) > maxRawValue {
		value = strings.ToValidUTF8(value[:maxRawValue], "")
	}
	n := len(key) + len(value)
	if _, ok := b.meta.Raw[key]; ok || key == "" || value == "" || len(b.meta.Raw) >= maxRawKeys || b.rawBytes+n > maxRawBytes {
		return
	}
	if b.meta.Raw == nil {
		b.meta.Raw = map[string]string{}
	}
	b.meta.Raw[strings.Clone(key)] = strings.Clone(value) // not the whole tag's memory
	b.rawBytes += n
}

// pixel takes a pixel size in metres when it is plausible: 1 pm to 1 mm.
func (b *builder) pixel(x, y float64) {
	ok := func(m float64) bool { return m >= 1e-12 && m <= 1e-3 }
	if !ok(x) {
		return
	}
	if !ok(y) {
		y = x
	}
	b.meta.NmPerPx, b.meta.NmPerPxY = tidy(x*1e9), tidy(y*1e9)
}

// tidy drops the digits that converting units added to a decimal, and what is no number.
func tidy(v float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 14, 64), 64)
	if err != nil || math.IsNaN(r) || math.IsInf(r, 0) || r == 0 { // -0 too
		return 0
	}
	return r
}

// finish drops what cannot be and fills what follows from the rest.
func (b *builder) finish() *stream.Metadata {
	m := b.meta
	if m.ImageRows < 0 || m.ImageRows >= b.height {
		m.ImageRows = 0
	}
	if m.Width < 0 || m.Height < 0 || m.Width > 1<<20 || m.Height > 1<<20 {
		m.Width, m.Height = 0, 0
	}
	if m.HorFieldWidthM == 0 && m.NmPerPx > 0 && m.Width > 0 {
		m.HorFieldWidthM = m.NmPerPx * 1e-9 * float64(m.Width)
	}
	for _, v := range []*float64{&m.HighVoltageV, &m.WorkingDistanceM, &m.DwellTimeS, &m.BeamCurrentA, &m.HorFieldWidthM,
		&m.StageXM, &m.StageYM, &m.StageZM, &m.StageRotationRad, &m.StageTiltRad} {
		*v = tidy(*v)
	}
	return m
}

// number parses a finite decimal number; 0 when s is none.
func number(s string) float64 {
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// integer parses a whole number; 0 when s is none.
func integer(s string) int {
	v, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return 0
	}
	return v
}

// quantity parses a number with an SI unit, such as "9.766 nm", "5.00 kV" or "200 pA", into the base unit.
// Prefixes f, p, n, u, µ, m, k, M, G and the units m, V, A, s are known, as are Mins, Secs, Volt and degrees.
func quantity(s string) float64 {
	s = strings.TrimSpace(s)
	end := 0
	for end < len(s) && strings.IndexByte("+-.0123456789eE", s[end]) >= 0 {
		if (s[end] == 'e' || s[end] == 'E') && (end+1 == len(s) || strings.IndexByte("+-0123456789", s[end+1]) < 0) {
			break
		}
		end++
	}
	v, unit := number(s[:end]), strings.TrimSpace(s[end:])
	switch strings.ToLower(unit) {
	case "", "m", "v", "a", "s", "secs", "sec", "meter", "metre", "volt", "volts":
		return v
	case "mins":
		return v * 60
	case "°", "deg":
		return v * math.Pi / 180
	case "micron", "microns", "micrometer", "micrometre":
		return v * 1e-6
	case "nanometer", "nanometre":
		return v * 1e-9
	case "inch", "in":
		return v * 0.0254
	case "cm":
		return v * 0.01
	case "å", "a\u030a", "angstrom":
		return v * 1e-10
	case "pixel", "pixels", "px":
		return 0
	}
	r, n := utf8.DecodeRuneInString(unit)
	base := unit[n:]
	switch base {
	case "m", "V", "A", "s":
	default:
		return 0
	}
	switch r {
	case 'f':
		return v * 1e-15
	case 'p':
		return v * 1e-12
	case 'n':
		return v * 1e-9
	case 'u', 'µ', 'μ': // micro sign and Greek mu
		return v * 1e-6
	case 'm':
		return v * 1e-3
	case 'k':
		return v * 1e3
	case 'M':
		return v * 1e6
	case 'G':
		return v * 1e9
	}
	return 0
}

// clock parses a time without a zone as this computer's local time; zero when no layout fits.
func clock(s string, layouts ...string) time.Time {
	s = strings.Join(strings.Fields(s), " ")
	for _, l := range layouts {
		if t, err := time.ParseInLocation(l, s, time.Local); err == nil && t.Year() > 1970 && t.Year() < 2200 {
			return t
		}
	}
	return time.Time{}
}
