package stream

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// Bounds of a streamed frame.
const (
	minSidePx       = 64
	maxSidePx       = 16384
	maxUIDBytes     = 128
	maxNameBytes    = 200
	maxMetaEntries  = 256
	maxMetaKey      = 128
	maxMetaValue    = 4 << 10
	maxMetaTotal    = 64 << 10
	maxNmPerPx      = 1e9
	maxStridePad    = 4 << 10 // besides a whole row
	maxChunkBytes   = 1 << 20
	grpcSourceName  = "grpc"
	fileNameRunes   = `<>:"/\|?*`
	maxSourceBytes  = 64
	maxRunHintBytes = 128
)

// layout is how a validated header's pixels lie in the stream and in memory.
type layout struct {
	width, height int
	bytesPerPx    int // as sent
	stride        int // bytes per row as sent
	format        aimsv1.PixelFormat
}

// wireBytes is the number of pixel bytes as sent, padding included.
func (l layout) wireBytes() int64 { return int64(l.stride) * int64(l.height) }

// memoryBytes is what the frame occupies while it is received and processed.
func (l layout) memoryBytes() int64 {
	perPx := int64(1)
	if l.format == aimsv1.PixelFormat_GRAY16LE {
		perPx = 2
	}
	return perPx*int64(l.width)*int64(l.height) + int64(l.stride)
}

// checkHeader validates everything a header says, before anything is allocated for it. The error is the
// reason of a REJECTED: it names the field, the value and what is allowed.
func checkHeader(h *aimsv1.FrameHeader) (layout, error) {
	if err := checkLabel("frame_uid", h.GetFrameUid(), 1, maxUIDBytes); err != nil {
		return layout{}, err
	}
	for _, side := range []struct {
		name string
		px   uint32
	}{{"width", h.GetWidth()}, {"height", h.GetHeight()}} {
		if side.px < minSidePx || side.px > maxSidePx {
			return layout{}, fmt.Errorf("%s %d px is outside %d..%d", side.name, side.px, minSidePx, maxSidePx)
		}
	}
	l := layout{width: int(h.GetWidth()), height: int(h.GetHeight()), format: h.GetFormat()}
	switch l.format {
	case aimsv1.PixelFormat_GRAY8:
		l.bytesPerPx = 1
	case aimsv1.PixelFormat_GRAY16LE:
		l.bytesPerPx = 2
	case aimsv1.PixelFormat_RGB8:
		l.bytesPerPx = 3
	default:
		return layout{}, fmt.Errorf("format %d is unknown: send GRAY8, GRAY16LE or RGB8", h.GetFormat())
	}
	row := uint32(l.width * l.bytesPerPx)
	switch stride := h.GetStride(); {
	case stride == 0:
		l.stride = int(row)
	case stride < row || stride > 2*row+maxStridePad:
		return layout{}, fmt.Errorf("stride %d bytes is outside %d..%d for a row of %d bytes", stride, row, 2*row+maxStridePad, row)
	default:
		l.stride = int(stride)
	}
	if nm := h.GetNmPerPx(); math.IsNaN(nm) || nm < 0 || nm > maxNmPerPx {
		return layout{}, fmt.Errorf("nm_per_px %g is outside 0..%g; send 0 when unknown", nm, maxNmPerPx)
	}
	if err := checkNames(h); err != nil {
		return layout{}, err
	}
	if err := checkMetadata(h.GetMetadata()); err != nil {
		return layout{}, err
	}
	return l, nil
}

func checkNames(h *aimsv1.FrameHeader) error {
	if err := checkLabel("name", h.GetName(), 0, maxNameBytes); err != nil {
		return err
	}
	for _, f := range []struct {
		name, value string
		limit       int
	}{{"run_id", h.GetRunId(), maxRunHintBytes}, {"source", h.GetSource(), maxSourceBytes}} {
		if err := checkLabel(f.name, f.value, 0, f.limit); err != nil {
			return err
		}
		if f.value != safeName(f.value) {
			return fmt.Errorf(`%s %q cannot name a folder: avoid %s, a leading dot or space, and a trailing dot or space`, f.name, f.value, fileNameRunes)
		}
		if runtime.GOOS == "windows" && deviceName(f.value) {
			return fmt.Errorf("%s %q cannot name a folder: it is a device on Windows", f.name, f.value)
		}
	}
	return nil
}

func checkMetadata(m map[string]string) error {
	if len(m) > maxMetaEntries {
		return fmt.Errorf("metadata has %d entries, at most %d are taken", len(m), maxMetaEntries)
	}
	total := 0
	for k, v := range m {
		total += len(k) + len(v)
		if len(k) > maxMetaKey || len(v) > maxMetaValue {
			return fmt.Errorf("metadata key %.40q has %d bytes and its value %d, at most %d and %d are taken", k, len(k), len(v), maxMetaKey, maxMetaValue)
		}
	}
	if total > maxMetaTotal {
		return fmt.Errorf("metadata has %d bytes, at most %d are taken", total, maxMetaTotal)
	}
	return nil
}

func checkLabel(field, value string, least, most int) error {
	if len(value) < least || len(value) > most {
		return fmt.Errorf("%s has %d bytes, %d to %d are taken", field, len(value), least, most)
	}
	for _, c := range value {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			return fmt.Errorf("%s holds an unprintable character: %q", field, value)
		}
	}
	return nil
}

// safeName makes a text fit to name a file on every system.
func safeName(s string) string {
	s = strings.Map(func(c rune) rune {
		if strings.ContainsRune(fileNameRunes, c) || !unicode.IsPrint(c) {
			return '_'
		}
		return c
	}, s)
	trimmed := strings.TrimRight(strings.TrimLeft(s, ". "), ". ")
	if trimmed == "" && s != "" {
		return "_"
	}
	return trimmed
}

// frameOf returns the frame a header describes, without pixels.
func frameOf(h *aimsv1.FrameHeader, rc Receipt, ad Admission) *Frame {
	f := &Frame{
		Source: rc.Source, Name: rc.Name, RunID: ad.RunID, Seq: ad.Seq,
		Width: int(h.GetWidth()), Height: int(h.GetHeight()),
		Meta: Metadata{
			NmPerPx: h.GetNmPerPx(), NmPerPxY: h.GetNmPerPx(),
			Width: int(h.GetWidth()), Height: int(h.GetHeight()),
			Raw: h.GetMetadata(),
		},
		ReceivedAt: time.Now(),
	}
	if ns := h.GetFrameTimeUnixNs(); ns != 0 {
		f.Meta.AcquiredAt = time.Unix(0, ns)
	}
	return f
}

// receiptOf is what the journal is told of a streamed frame.
func receiptOf(h *aimsv1.FrameHeader, l layout) Receipt {
	rc := Receipt{
		Source: h.GetSource(), Key: h.GetFrameUid(), Name: safeName(h.GetName()),
		RunHint: h.GetRunId(), Seq: h.GetSeq(), Size: l.wireBytes(), EndOfRun: h.GetEndOfRun(),
	}
	if rc.Source == "" {
		rc.Source = grpcSourceName
	}
	if rc.Name == "" {
		rc.Name = safeName(rc.Key)
	}
	if ns := h.GetFrameTimeUnixNs(); ns != 0 {
		rc.ModTime = time.Unix(0, ns)
	}
	return rc
}
