package stream

import (
	"sync/atomic"
	"time"
)

// Frame is one grey image with what is known about it. Exactly one of Gray8 and Gray16 is set; both are
// row-major with a stride equal to Width. Colour input is reduced to luminance (Rec. 601) while decoding.
// A frame is read-only; whoever holds it last calls Release, after which the pixels must not be touched.
type Frame struct {
	Source string // name of the source, "" for the command line
	Path   string // file path as given; "" for streamed frames
	Name   string // base name, with extension: the output folder is named after it
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
	StageTiltRad     float64
	Detector         string
	AcquiredAt       time.Time
	Raw              map[string]string // "Section.Key" -> value as written, bounded
}
