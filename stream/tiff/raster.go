package tiff

import (
	"encoding/binary"
	"fmt"
)

const remedyGrey = "re-save it as 8 or 16-bit grey"

// Raster is the pixel layout of a page, checked against the file's size and this package's limits before
// anything is allocated for pixels.
type Raster struct {
	Width, Height int // px
	Bits          int // per sample, as stored: 1 to 64
	Samples       int // per pixel, as stored

	page        *Page
	photometric uint64
	format      uint64 // of the samples: unsigned, signed or float
	compression uint64
	predictor   uint64 // 1 none, 2 horizontal differences, 3 the same of floats' bytes
	lsbFirst    bool   // fill order 2
	planar      bool   // every channel in chunks of its own
	tiled       bool
	fax         faxOptions
	jpegTables  []byte
	subX, subY  int // chroma subsampling of YCbCr that is not JPEG; 0: not so stored

	// The layout of unpacked rows: JPEG and YCbCr come as one 8-bit channel, their luminance.
	depth, channels int

	chunkW, chunkH int // of a strip or tile, px
	across, down   int // chunks per plane
	offsets        []uint64
	counts         []uint64
}

// Raster reads the layout of the page's pixels. Which conversions are possible, Gray8, Gray16 and Labels
// say. The errors wrap ErrFormat, ErrTruncated, ErrUnsupported or ErrTooLarge.
func (p *Page) Raster() (*Raster, error) {
	r := &Raster{page: p}
	for _, step := range []func() error{r.dimensions, r.samples, r.coding, r.colour, r.chunks, r.bounds} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	r.coalesce()
	return r, nil
}

func (r *Raster) dimensions() error {
	w, err := r.page.Uint(TagImageWidth, 0)
	if err != nil {
		return err
	}
	h, err := r.page.Uint(TagImageLength, 0)
	if err != nil {
		return err
	}
	if w == 0 || h == 0 {
		return fmt.Errorf("%w: the page holds no image (%d x %d px)", ErrFormat, w, h)
	}
	if w > MaxSide || h > MaxSide || w*h > MaxPixels {
		return fmt.Errorf("%w: %d x %d px, at most %d px per side and %d px in all; crop or downsample it",
			ErrTooLarge, w, h, MaxSide, MaxPixels)
	}
	r.Width, r.Height = int(w), int(h)
	return nil
}

func (r *Raster) samples() error {
	spp, err := r.page.Uint(TagSamplesPerPixel, 1)
	if err != nil {
		return err
	}
	bits, err := r.page.Uints(TagBitsPerSample)
	if err != nil {
		return err
	}
	if len(bits) == 0 {
		bits = []uint64{1}
	}
	if spp == 0 || spp > 64 {
		return fmt.Errorf("%w: %d samples per pixel; %s", ErrUnsupported, spp, remedyGrey)
	}
	for _, b := range bits {
		if b != bits[0] {
			return fmt.Errorf("%w: samples of different depth %v; %s", ErrUnsupported, bits, remedyGrey)
		}
	}
	if bits[0] < 1 || bits[0] > 64 {
		return fmt.Errorf("%w: %d bits per sample; %s", ErrUnsupported, bits[0], remedyGrey)
	}
	r.Samples, r.Bits = int(spp), int(bits[0])
	r.depth, r.channels = r.Bits, r.Samples
	byDefault := uint64(photometricBlackIsZero)
	if spp >= 3 {
		byDefault = photometricRGB
	}
	if r.photometric, err = r.page.Uint(TagPhotometric, byDefault); err != nil {
		return err
	}
	if r.format, err = r.page.Uint(TagSampleFormat, formatUnsigned); err != nil {
		return err
	}
	switch r.format {
	case formatUnsigned, formatSigned:
	case 0, 4: // undefined
		r.format = formatUnsigned
	case formatFloat:
		if r.Bits != 16 && r.Bits != 24 && r.Bits != 32 && r.Bits != 64 {
			return fmt.Errorf("%w: floating-point samples of %d bits; %s", ErrUnsupported, r.Bits, remedyGrey)
		}
	default:
		return fmt.Errorf("%w: complex samples; save their modulus as 32-bit float", ErrUnsupported)
	}
	return nil
}

// coding reads how the samples are packed into bytes.
func (r *Raster) coding() error {
	var err error
	if r.compression, err = r.page.Uint(TagCompression, compressionNone); err != nil {
		return err
	}
	fill, err := r.page.Uint(TagFillOrder, 1)
	if err != nil {
		return err
	}
	r.lsbFirst = fill == 2
	planar, err := r.page.Uint(TagPlanarConfig, 1)
	if err != nil {
		return err
	}
	r.planar = planar == 2 && r.Samples > 1
	if r.predictor, err = r.page.Uint(TagPredictor, 1); err != nil {
		return err
	}
	switch r.compression {
	case compressionNone, compressionPackBits:
		// libtiff, and with it every viewer, takes no notice of a predictor here. Depths that it does not read
		// are written with one by others.
		if r.Bits == 8 || r.Bits == 16 || r.Bits == 32 || r.Bits == 64 {
			r.predictor = 1
		}
	case compressionLZW, compressionDeflate, compressionDeflateOld,
		compressionZstd, compressionZstdOld:
	case compressionRLE, compressionRLEW, compressionFax3, compressionFax4:
		r.predictor = 1
		return r.faxCoding()
	case compressionJPEG, compressionJPEGOld:
		r.predictor, r.lsbFirst = 1, false
		return r.jpegCoding()
	default:
		return fmt.Errorf("%w: %s compression; re-save it uncompressed or with LZW, Deflate or PackBits",
			ErrUnsupported, compressionName(r.compression))
	}
	switch {
	case r.predictor == 0 || r.predictor > 3,
		r.predictor == 3 && r.format != formatFloat:
		return fmt.Errorf("%w: predictor %d with %d-bit samples; re-save it uncompressed", ErrUnsupported, r.predictor, r.Bits)
	}
	return nil
}

// colour reads what the channels mean.
func (r *Raster) colour() error {
	need := 1
	switch r.photometric {
	case photometricWhiteIsZero, photometricBlackIsZero, photometricMask:
	case photometricPalette:
		if r.format != formatUnsigned || r.Bits > 16 {
			return fmt.Errorf("%w: palette of %d-bit indices; %s", ErrUnsupported, r.Bits, remedyGrey)
		}
	case photometricRGB:
		need = 3
	case photometricSeparated:
		need = 4
		if r.format == formatSigned { // amounts of ink have no sign
			r.format = formatUnsigned
		}
	case photometricYCbCr:
		need = 3
		if !r.isJPEG() {
			if r.Bits != 8 || r.predictor != 1 {
				return fmt.Errorf("%w: YCbCr of %d-bit samples; %s", ErrUnsupported, r.Bits, remedyGrey)
			}
			if err := r.ycbcr(); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("%w: %s pixels; %s", ErrUnsupported, photometricName(r.photometric), remedyGrey)
	}
	if r.Samples < need {
		return fmt.Errorf("%w: colour of %d channels, %d needed", ErrFormat, r.Samples, need)
	}
	return nil
}

// used is the number of channels that the grey value depends on; further ones, such as alpha, are left out.
func (r *Raster) used() int {
	switch {
	case r.channels < r.Samples && !r.planar: // unpacked as luminance
		return 1
	case r.photometric == photometricRGB:
		return 3
	case r.photometric == photometricSeparated:
		return 4
	}
	return 1
}

// planes is the number of separately stored channels that are decoded.
func (r *Raster) planes() int {
	if r.planar {
		return r.used()
	}
	return 1
}

// interleaved is the number of channels in an unpacked row.
func (r *Raster) interleaved() int {
	if r.planar {
		return 1
	}
	return r.channels
}

func (r *Raster) isJPEG() bool {
	return r.compression == compressionJPEG || r.compression == compressionJPEGOld
}

func (r *Raster) bigEndian() bool { return r.page.file.order == binary.ByteOrder(binary.BigEndian) }

func (r *Raster) chunkName() string {
	if r.tiled {
		return "tile"
	}
	return "strip"
}

// rowBytes is the length of a chunk's unpacked row.
func (r *Raster) rowBytes() int { return (r.chunkW*r.interleaved()*r.depth + 7) / 8 }

// rows is the number of image rows in chunk i, counted within its plane.
func (r *Raster) rows(i int) int {
	return min(r.chunkH, r.Height-i%(r.across*r.down)/r.across*r.chunkH)
}

// need is the number of decompressed bytes of chunk i that carry image rows.
func (r *Raster) need(i int) uint64 {
	rows := uint64(r.rows(i))
	if r.subX > 0 && !r.planar { // rows come in groups of subY, each of units of subX by subY px
		units := uint64((r.chunkW + r.subX - 1) / r.subX)
		return (rows + uint64(r.subY) - 1) / uint64(r.subY) * units * uint64(r.subX*r.subY+2)
	}
	return uint64(r.rowBytes()) * rows
}
