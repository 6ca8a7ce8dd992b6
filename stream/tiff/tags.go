package tiff

import "fmt"

// Tag numbers used by this package or by its callers.
const (
	TagNewSubfileType   = 254
	TagImageWidth       = 256
	TagImageLength      = 257
	TagBitsPerSample    = 258
	TagCompression      = 259
	TagPhotometric      = 262
	TagFillOrder        = 266
	TagImageDescription = 270
	TagMake             = 271
	TagModel            = 272
	TagStripOffsets     = 273
	TagSamplesPerPixel  = 277
	TagRowsPerStrip     = 278
	TagStripByteCounts  = 279
	TagXResolution      = 282
	TagYResolution      = 283
	TagPlanarConfig     = 284
	TagResolutionUnit   = 296
	TagSoftware         = 305
	TagDateTime         = 306
	TagPredictor        = 317
	TagColorMap         = 320
	TagTileWidth        = 322
	TagTileLength       = 323
	TagTileOffsets      = 324
	TagTileByteCounts   = 325
	TagSubfileType      = 255
	TagT4Options        = 292
	TagT6Options        = 293
	TagSampleFormat     = 339
	TagJPEGTables       = 347
	TagJPEGProc         = 512
	TagJPEGOffset       = 513
	TagJPEGLength       = 514
	TagJPEGRestart      = 515
	TagJPEGQTables      = 519
	TagJPEGDCTables     = 520
	TagJPEGACTables     = 521
	TagYCbCrSubSampling = 530
	TagReferenceBW      = 532
)

// Type is the type of a tag's values.
type Type uint16

// Types of TIFF 6.0 and BigTIFF.
const (
	Byte      Type = 1
	ASCII     Type = 2
	Short     Type = 3
	Long      Type = 4
	Rational  Type = 5
	SByte     Type = 6
	Undefined Type = 7
	SShort    Type = 8
	SLong     Type = 9
	SRational Type = 10
	Float     Type = 11
	Double    Type = 12
	IFD       Type = 13
	Long8     Type = 16
	SLong8    Type = 17
	IFD8      Type = 18
)

// Size returns the bytes of one value, 0 for an unknown type.
func (t Type) Size() int64 {
	switch t {
	case Byte, ASCII, SByte, Undefined:
		return 1
	case Short, SShort:
		return 2
	case Long, SLong, Float, IFD:
		return 4
	case Rational, SRational, Double, Long8, SLong8, IFD8:
		return 8
	}
	return 0
}

// Compression schemes.
const (
	compressionNone       = 1
	compressionRLE        = 2 // CCITT modified Huffman, rows begin on bytes
	compressionFax3       = 3
	compressionFax4       = 4
	compressionLZW        = 5
	compressionJPEGOld    = 6
	compressionJPEG       = 7
	compressionDeflate    = 8
	compressionRLEW       = 32771 // as 2, rows begin on 16-bit words
	compressionPackBits   = 32773
	compressionDeflateOld = 32946
	compressionZstdOld    = 34926
	compressionZstd       = 50000
)

// compressionName says what a scheme is called, for messages.
func compressionName(c uint64) string {
	switch c {
	case compressionJPEGOld, compressionJPEG:
		return "JPEG"
	case 32766:
		return "NeXT"
	case 32809:
		return "ThunderScan"
	case 34661:
		return "JBIG"
	case 34676, 34677:
		return "SGI LogLuv"
	case 34712, 33003, 33005:
		return "JPEG 2000"
	case 34887:
		return "LERC"
	case 34892:
		return "lossy DNG JPEG"
	case 34925:
		return "LZMA"
	case 50001, 34927:
		return "WebP"
	case 50002:
		return "JPEG XL"
	}
	return fmt.Sprintf("scheme %d", c)
}

// Photometric interpretations.
const (
	photometricWhiteIsZero = 0
	photometricBlackIsZero = 1
	photometricRGB         = 2
	photometricPalette     = 3
	photometricMask        = 4
	photometricSeparated   = 5 // CMYK
	photometricYCbCr       = 6
)

// Sample formats.
const (
	formatUnsigned = 1
	formatSigned   = 2
	formatFloat    = 3
)

func photometricName(p uint64) string {
	switch p {
	case photometricMask:
		return "transparency mask"
	case 8, 9, 10:
		return "CIE L*a*b*"
	case 32803:
		return "colour filter array"
	case 32844, 32845:
		return "LogLuv"
	}
	return fmt.Sprintf("photometric %d", p)
}
