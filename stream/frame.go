package stream

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

// Frame is one grey image with what is known about it. Exactly one of Gray8 and Gray16 is set; both are
// row-major with a stride equal to Width. Colour input is reduced to luminance (Rec. 601) while decoding.
// A frame is read-only; whoever holds it last calls Release, after which the pixels must not be touched.
type Frame struct {
	Source string // name of the source, "" for the command line
	Path   string // file path as given; "" for streamed frames
	Name   string // base name, with extension, and the page: the output folder is named after it
	Page   int    // counted from 1, in a file of several; 0 in others
	Pages  int    // of a file of several; 0 in others
	RunID  string
	Seq    uint64

	Width, Height int
	Gray8         []uint8
	Gray16        []uint16

	Meta       Metadata
	SHA256     string // of the file's bytes, or of the streamed pixel bytes; lower-case hex
	ReceivedAt time.Time

	release  func()
	released atomic.Bool
}

// PageName names one page of a file of several: "stack.tif.p07". Numbers are padded to the same length, so
// that names sort as pages do. Of other files it is the name itself.
func PageName(name string, page, pages int) string {
	if pages < 2 {
		return name
	}
	return fmt.Sprintf("%s.p%0*d", name, len(strconv.Itoa(pages)), page)
}

// PageID identifies a page beside the path of its file: "/data/stack.tif#page=7".
func PageID(path string, page int) string {
	if page == 0 {
		return path
	}
	return fmt.Sprintf("%s#page=%d", path, page)
}

// OnRelease sets what gives the pixels back to their pool.
func (f *Frame) OnRelease(fn func()) { f.release = fn }

// Release gives the pixels back. It may be called more than once.
func (f *Frame) Release() {
	if f.released.Swap(true) {
		return
	}
	f.Gray8, f.Gray16 = nil, nil
	if f.release != nil {
		f.release()
	}
}

// Metadata is what a file or a stream header says about a frame. Zero means unknown. Lengths are metres
// or nm as named, angles radians, times seconds.
type Metadata struct {
	Vendor string // "FEI", "ZEISS", "TESCAN", ...
	Model  string

	NmPerPx  float64 // along x
	NmPerPxY float64 // along y; equals NmPerPx for square pixels
	// Width and Height are the image size the metadata speaks of (data bar excluded where the vendor says
	// so). When they differ from the file's, the image was resized or cropped after acquisition.
	Width, Height int
	// ImageRows is the number of rows above the vendor's data bar; 0 when there is no bar or it is unknown.
	ImageRows int

	HighVoltageV     float64
	WorkingDistanceM float64
	DwellTimeS       float64
	BeamCurrentA     float64
	HorFieldWidthM   float64
	StageXM          float64
	StageYM          float64
	StageZM          float64
	StageRotationRad float64
	StageTiltRad     float64
	Detector         string
	AcquiredAt       time.Time
	Raw              map[string]string // "Section.Key" -> value as written, bounded
}
