package reporting

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
)

// Long sides of the pictures in a report's gallery: of many inputs, of a few, of one.
const (
	ThumbnailPx       = 480
	thumbnailOfFewPx  = 800
	thumbnailOfOnePx  = 1400
	thumbnailsAreMany = 5 // inputs
)

// pngHeaderBytes are PNG's signature and its IHDR chunk, which every encoder writes first.
const pngHeaderBytes = 8 + 12 + 13

// WritePNG encodes the overlay for speed and says in its Description (a tEXt chunk) what the picture shows.
func (o *Overlay) WritePNG(w io.Writer) error {
	enc := png.Encoder{CompressionLevel: png.BestSpeed}
	return enc.Encode(&describedPNG{w: w, chunk: textChunk("Description", o.description())}, o.Image)
}

func (o *Overlay) description() string {
	size := "full size"
	if o.Factor > 1 {
		size = fmt.Sprintf("reduced %d:1 along each axis; labels.tif has every pixel", o.Factor)
	}
	return "aimsd overlay, " + size + "; solid outlines: objects; dashed outlines: edge objects; " +
		"dashed white and dimmed: border of the analysed area; cyan boxes: scale bar and text"
}

// describedPNG puts a chunk behind the header of the PNG written through it.
type describedPNG struct {
	w     io.Writer
	chunk []byte // nil once written
	at    int
}

func (d *describedPNG) Write(p []byte) (int, error) {
	if d.chunk == nil {
		return d.w.Write(p)
	}
	head := min(len(p), pngHeaderBytes-d.at)
	n, err := d.w.Write(p[:head])
	d.at += n
	if err != nil || d.at < pngHeaderBytes {
		return n, err
	}
	if _, err := d.w.Write(d.chunk); err != nil {
		return n, err
	}
	d.chunk = nil
	m, err := d.w.Write(p[head:])
	return n + m, err
}

// textChunk is PNG's tEXt: length, type, keyword, 0, Latin-1 text, CRC (PNG 3rd edition, 11.3.3.2).
func textChunk(keyword, text string) []byte {
	body := append([]byte("tEXt"+keyword), 0)
	body = append(body, text...)
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(body)-4))
	chunk = append(chunk, body...)
	return binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(body))
}

// Thumbnail reduces the overlay to a long side of at most longPx. Outlines are weighted up, so that thin
// ones survive.
func (o *Overlay) Thumbnail(longPx int) *image.RGBA {
	src := o.Image
	w, h := src.Rect.Dx(), src.Rect.Dy()
	scale := max(1, float64(max(w, h))/float64(longPx))
	tw, th := max(1, int(float64(w)/scale)), max(1, int(float64(h)/scale))
	dst := image.NewRGBA(image.Rect(0, 0, tw, th))
	var rgb [256]color.RGBA
	for i, c := range src.Palette {
		rgb[i], _ = c.(color.RGBA)
		if rgb[i].A == 0 {
			rgb[i] = color.RGBAModel.Convert(c).(color.RGBA)
		}
	}
	for y := range th {
		y0, y1 := y*h/th, max(y*h/th+1, (y+1)*h/th)
		for x := range tw {
			x0, x1 := x*w/tw, max(x*w/tw+1, (x+1)*w/tw)
			dst.SetRGBA(x, y, blend(src, &rgb, x0, y0, x1, y1))
		}
	}
	return dst
}

// blend averages the greys and the marks of a block separately and mixes them, the marks with twice their
// share of the area.
func blend(src *image.Paletted, rgb *[256]color.RGBA, x0, y0, x1, y1 int) color.RGBA {
	var gray, mark [3]int
	grayN, markN := 0, 0
	for y := y0; y < y1; y++ {
		for _, i := range src.Pix[y*src.Stride+x0 : y*src.Stride+x1] {
			c := rgb[i]
			sum := &gray
			if i >= grays {
				sum = &mark
				markN++
			} else {
				grayN++
			}
			sum[0] += int(c.R)
			sum[1] += int(c.G)
			sum[2] += int(c.B)
		}
	}
	n := grayN + markN
	share := min(n, 2*markN) // of n
	var out [3]uint8
	for i := range out {
		v := 0
		if markN > 0 {
			v = mark[i] / markN * share
		}
		if grayN > 0 {
			v += gray[i] / grayN * (n - share)
		}
		out[i] = uint8(v / n)
	}
	return color.RGBA{out[0], out[1], out[2], 255}
}

// thumbnailURI reads an overlay's PNG and returns a JPEG of it as a data URI, reduced to a long side of
// longPx at most.
func thumbnailURI(r io.ReadSeeker, longPx int) (uri string, width, height int, err error) {
	head, err := png.DecodeConfig(r)
	if err != nil {
		return "", 0, 0, err
	}
	if head.Width > MaxOverlayPx || head.Height > MaxOverlayPx {
		return "", 0, 0, fmt.Errorf("%dx%d px is no overlay of this program", head.Width, head.Height)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return "", 0, 0, err
	}
	img, err := png.Decode(r)
	if err != nil {
		return "", 0, 0, err
	}
	p, ok := img.(*image.Paletted)
	if !ok {
		return "", 0, 0, fmt.Errorf("%T is no overlay of this program", img)
	}
	small := (&Overlay{Image: p, Factor: 1}).Thumbnail(longPx)
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, small, &jpeg.Options{Quality: 75}); err != nil {
		return "", 0, 0, err
	}
	return "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(buf.Bytes()), small.Rect.Dx(), small.Rect.Dy(), nil
}
