package decode

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"

	"github.com/uni-aims/aimsd/stream"
)

const maxSidecar = 1 << 20 // bytes of a file beside an image that is looked into

// SidecarNames lists the files beside an image in which instruments keep its metadata, by how they are named:
// Hitachi and JEOL "image.txt", TESCAN "image-tif.hdr" or "image.hdr".
func SidecarNames(path string) []string {
	ext := filepath.Ext(path)
	stem := strings.TrimSuffix(path, ext)
	names := []string{stem + ".txt", stem + ".TXT"}
	if ext != "" {
		names = append(names, stem+"-"+ext[1:]+".hdr")
	}
	return append(names, stem+".hdr", stem+".HDR")
}

// Sidecar returns the name of the file beside an image that holds its metadata, "" when there is none. It is
// recognised by its content: a note of the same name is no sidecar.
func Sidecar(path string) string {
	name, _ := readSidecar(path)
	return name
}

// readSidecar finds, reads and checks an image's sidecar.
func readSidecar(path string) (name, content string) {
	for _, name := range SidecarNames(path) {
		if name == path {
			continue
		}
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() || info.Size() == 0 || info.Size() > maxSidecar {
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(f, maxSidecar))
		f.Close()
		if s := unicodeText(data); err == nil && sidecarKind(s) != "" {
			return name, s
		}
	}
	return "", ""
}

// sidecarKind says whose metadata a text is; "" when nobody's.
func sidecarKind(s string) string {
	switch {
	case strings.Contains(s, "[SemImageFile]"), strings.Contains(s, "[TemImageFile]"):
		return "Hitachi"
	case strings.Contains(s, "$CM_") || strings.Contains(s, "$SM_"):
		return "JEOL"
	case strings.Contains(s, "PixelSizeX") && strings.Contains(s, "[MAIN]"):
		return "TESCAN"
	}
	return ""
}

// sidecar fills what is not known yet from the file beside the image.
func (b *builder) sidecar(path string) {
	name, s := readSidecar(path)
	if name == "" {
		return
	}
	side := builder{meta: &stream.Metadata{}, width: b.width, height: b.height}
	switch sidecarKind(s) {
	case "Hitachi":
		side.hitachi(s)
	case "JEOL":
		side.jeol(s)
	case "TESCAN":
		side.tescanText(s)
	}
	b.merge(side.meta)
}

// merge fills unknown fields from other. A pixel size comes with the image size that it belongs to.
func (b *builder) merge(other *stream.Metadata) {
	m := b.meta
	if m.NmPerPx == 0 && other.NmPerPx > 0 {
		m.NmPerPx, m.NmPerPxY = other.NmPerPx, other.NmPerPxY
		m.Width, m.Height = other.Width, other.Height
	}
	if m.Vendor == "" {
		m.Vendor, m.Model = other.Vendor, other.Model
	}
	if m.ImageRows == 0 {
		m.ImageRows = other.ImageRows
	}
	if m.Width == 0 {
		m.Width, m.Height = other.Width, other.Height
	}
	for _, v := range [][2]*float64{
		{&m.HighVoltageV, &other.HighVoltageV}, {&m.WorkingDistanceM, &other.WorkingDistanceM}, {&m.DwellTimeS, &other.DwellTimeS},
		{&m.BeamCurrentA, &other.BeamCurrentA}, {&m.HorFieldWidthM, &other.HorFieldWidthM}, {&m.StageXM, &other.StageXM},
		{&m.StageYM, &other.StageYM}, {&m.StageZM, &other.StageZM}, {&m.StageRotationRad, &other.StageRotationRad},
		{&m.StageTiltRad, &other.StageTiltRad},
	} {
		if *v[0] == 0 {
			*v[0] = *v[1]
		}
	}
	if m.Detector == "" {
		m.Detector = other.Detector
	}
	if m.AcquiredAt.IsZero() {
		m.AcquiredAt = other.AcquiredAt
	}
	for k, v := range other.Raw {
		b.raw(k, v)
	}
}

// unicodeText returns text as UTF-8: UTF-16 by its byte order mark or by the NULs between Latin letters, else
// UTF-8 or Latin-1.
func unicodeText(p []byte) string {
	order, wide := binary.ByteOrder(binary.LittleEndian), false
	switch {
	case len(p) >= 2 && p[0] == 0xff && p[1] == 0xfe:
		p, wide = p[2:], true
	case len(p) >= 2 && p[0] == 0xfe && p[1] == 0xff:
		p, order, wide = p[2:], binary.BigEndian, true
	case len(p) >= 4 && p[0] != 0 && p[1] == 0 && p[2] != 0 && p[3] == 0:
		wide = true
	case len(p) >= 4 && p[0] == 0 && p[1] != 0 && p[2] == 0 && p[3] != 0:
		order, wide = binary.BigEndian, true
	}
	if !wide {
		return strings.TrimPrefix(utf8Text(string(p)), "\ufeff")
	}
	units := make([]uint16, len(p)/2)
	for i := range units {
		units[i] = order.Uint16(p[2*i:])
	}
	return string(utf16.Decode(units))
}
